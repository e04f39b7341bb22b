"""Which pairs are learned from, which are left out and by which reason, and what their tokens are."""

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
def words(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return AutoTokenizer.from_pretrained(checkpoints.chat(tmp_path_factory.mktemp("start") / "chat"))


def pair(chosen: str = "The sea.", rejected: str = "A hill.", **more: str) -> Sample:
    return Sample({"instruction": "Say it.", "input": "", "chosen": chosen, "rejected": rejected, **more})


def read(words: Any, *samples: Sample, held_out: float = 0.0, **more: Any) -> PairRows:
    return pair_rows(
        samples, PairReader(**{"owner": "DPO", "model": "it", "tokenizer": words, "max_length": 100, **more}), held_out
    )


def test_a_pair_is_two_conversations_that_begin_alike(words: Any) -> None:
    (row,) = read(words, pair()).learned
    prompt = encode_prompt(words, (Message("user", "Say it."),), "it")
    assert list(row.chosen[: row.start]) == list(row.rejected[: row.start]) == prompt
    assert words.decode(list(row.chosen[row.start :])) == "The sea.<|im_end|>\n"
    assert words.decode(list(row.rejected[row.start :])) == "A hill.<|im_end|>\n"
    assert row.prompt == prompt_digest(pair())


def test_what_was_said_before_is_read(words: Any) -> None:
    history = json.dumps([{"role": "user", "content": "Hi."}, {"role": "assistant", "content": "Hello."}])
    (row,) = read(words, pair(history=history)).learned
    assert words.decode(list(row.chosen)).startswith("<|im_start|>user\nHi.<|im_end|>\n<|im_start|>assistant\nHello.<")


@pytest.mark.parametrize(
    ("sample", "why"),
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
def test_what_nothing_can_be_learnt_from_is_counted(sample: Sample, why: str, words: Any) -> None:
    found = read(words, pair(), sample)
    assert len(found.learned) == 1
    assert {name: count for name, count in found.dropped.items() if count} == {why: 1}
    with raises(RecipeError, name="DPO", samples=2, dropped={why: 2}):
        read(words, sample, sample)


def test_an_empty_verdict_is_a_preference(words: Any) -> None:
    assert drop_reason(pair(verdict="")) == ""
    assert len(read(words, pair(verdict="")).learned) == 1


def test_a_long_answer_is_cut_and_counted(words: Any) -> None:
    found = read(words, pair("a" * 200, "b"))
    assert (found.dropped["cut"], len(found.learned)) == (1, 1)
    assert len(found.learned[0].chosen) == 100


def test_held_back_prompts_are_those_of_every_training(words: Any) -> None:
    samples = [pair(instruction=f"Say {nth % 7}.", rejected=f"No {nth}.") for nth in range(21)]
    found = read(words, *samples, held_out=0.3)
    learned, held = split_held_out(samples, 0.3)
    assert [row.id for row in found.learned] == [one.id for one in learned]
    assert [row.id for row in found.held_out] == [one.id for one in held]
    assert len(held) == 6


def test_margins_are_read_where_they_are_wanted(words: Any) -> None:
    assert read(words, pair(margin="1.5"), margins=True).learned[0].margin == 1.5
    assert read(words, pair(margin="many")).learned[0].margin == 0
    for wrong in ("many", "nan", "-1", ""):
        broken = pair(margin=wrong)
        with raises(FieldError, name="margin", sample=broken.id, value=wrong):
            read(words, broken, margins=True)
    with pytest.raises(FieldError, match="'margin'"):
        read(words, pair(), margins=True)


def test_a_blank_instruction_is_told(words: Any) -> None:
    with pytest.raises(FieldError, match="'instruction'"):
        read(words, pair(instruction=" "))


def test_a_tie_is_half_right() -> None:
    assert accuracy([1.0, -1.0, 0.0, 2.0]) == pytest.approx(2.5 / 4)
