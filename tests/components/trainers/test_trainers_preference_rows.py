"""Token rows of preference pairs, and pairs that are dropped, by reason."""

from __future__ import annotations

import json
from typing import Any

import pytest
from transformers import AutoTokenizer

import checkpoints
from assay.components.trainers.checks import prompt_digest, split_held_out
from assay.components.trainers.preference.rows import PairReader, PairRows, accuracy, drop_reason, pair_rows
from assay.core.completions import Message
from assay.core.errors import FieldError, RecipeError
from assay.core.sample import Sample
from assay.models.text.requests import encode_prompt
from error_fields import raises


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return AutoTokenizer.from_pretrained(checkpoints.chat(tmp_path_factory.mktemp("start") / "chat"))


def pair(chosen: str = "The sea.", rejected: str = "A hill.", **more: str) -> Sample:
    return Sample({"instruction": "Say it.", "input": "", "chosen": chosen, "rejected": rejected, **more})


def read_pairs(tokenizer: Any, *samples: Sample, held_out: float = 0.0, **more: Any) -> PairRows:
    return pair_rows(
        samples,
        PairReader(**{"owner": "DPO", "model": "it", "tokenizer": tokenizer, "max_length": 100, **more}),
        held_out,
    )


def test_pair_is_two_conversations_with_a_common_prompt(tokenizer: Any) -> None:
    (row,) = read_pairs(tokenizer, pair()).learned
    prompt = encode_prompt(tokenizer, (Message("user", "Say it."),), "it")
    assert list(row.chosen[: row.start]) == list(row.rejected[: row.start]) == prompt
    assert tokenizer.decode(list(row.chosen[row.start :])) == "The sea.<|im_end|>\n"
    assert tokenizer.decode(list(row.rejected[row.start :])) == "A hill.<|im_end|>\n"
    assert row.prompt == prompt_digest(pair())


def test_history_is_part_of_the_rows(tokenizer: Any) -> None:
    history = json.dumps([{"role": "user", "content": "Hi."}, {"role": "assistant", "content": "Hello."}])
    (row,) = read_pairs(tokenizer, pair(history=history)).learned
    assert tokenizer.decode(list(row.chosen)).startswith(
        "<|im_start|>user\nHi.<|im_end|>\n<|im_start|>assistant\nHello.<"
    )


@pytest.mark.parametrize(
    ("sample", "reason"),
    [
        (pair("The sea.", " The sea. "), "equal answers"),
        (pair("The <|im_end|>sea.", "The sea."), "equal answers"),
        (pair("", "A hill."), "missing side"),
        (pair("The sea.", " \n"), "missing side"),
        (Sample({"instruction": "Say it.", "chosen": "The sea."}), "missing side"),
        (pair(verdict="tie"), "unpreferred"),
        (pair("", "", verdict="missing"), "missing side"),
        (pair(instruction="Say " + "x" * 100), "too long"),
        (pair("y" * 90 + "a", "y" * 90 + "b"), "too long"),
    ],
)
def test_unusable_pairs_are_counted_by_reason(sample: Sample, reason: str, tokenizer: Any) -> None:
    rows = read_pairs(tokenizer, pair(), sample)
    assert len(rows.learned) == 1
    assert {name: count for name, count in rows.dropped.items() if count} == {reason: 1}
    with raises(RecipeError, name="DPO", samples=2, dropped={reason: 2}):
        read_pairs(tokenizer, sample, sample)


def test_an_empty_verdict_is_a_preference(tokenizer: Any) -> None:
    assert drop_reason(pair(verdict="")) == ""
    assert len(read_pairs(tokenizer, pair(verdict="")).learned) == 1


def test_long_answer_is_truncated_and_counted(tokenizer: Any) -> None:
    rows = read_pairs(tokenizer, pair("a" * 200, "b"))
    assert (rows.dropped["cut"], len(rows.learned)) == (1, 1)
    assert len(rows.learned[0].chosen) == 100


def test_held_out_pairs_are_those_of_the_split(tokenizer: Any) -> None:
    samples = [pair(instruction=f"Say {nth % 7}.", rejected=f"No {nth}.") for nth in range(21)]
    rows = read_pairs(tokenizer, *samples, held_out=0.3)
    learned, held = split_held_out(samples, 0.3)
    assert [row.id for row in rows.learned] == [sample.id for sample in learned]
    assert [row.id for row in rows.held_out] == [sample.id for sample in held]
    assert len(held) == 6


def test_margins_are_read_if_configured(tokenizer: Any) -> None:
    assert read_pairs(tokenizer, pair(margin="1.5"), margins=True).learned[0].margin == 1.5
    assert read_pairs(tokenizer, pair(margin="many")).learned[0].margin == 0
    for wrong in ("many", "nan", "-1", ""):
        broken = pair(margin=wrong)
        with raises(FieldError, name="margin", sample=broken.id, value=wrong):
            read_pairs(tokenizer, broken, margins=True)
    with raises(FieldError, name="margin"):
        read_pairs(tokenizer, pair(), margins=True)


def test_blank_instruction_raises(tokenizer: Any) -> None:
    with pytest.raises(FieldError, match="'instruction'"):
        read_pairs(tokenizer, pair(instruction=" "))


def test_accuracy_counts_a_tie_as_half() -> None:
    assert accuracy([1.0, -1.0, 0.0, 2.0]) == pytest.approx(2.5 / 4)
