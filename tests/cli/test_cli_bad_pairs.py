"""Pairs and rewards that nothing can be learned from, by the command line: one clear message, or a counted drop."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

import checkpoints
from assay.core.errors import UserError
from assay.core.score import Label
from command_line import called, user_error
from run_parts import counts, folder_of

GOOD = [
    {"instruction": f"Say {word}.", "chosen": f"{word} please", "rejected": f"{word} now"}
    for word in ("sea", "hill", "tree", "moon", "star", "rain")
]
EQUAL = [{"instruction": f"Say {word}.", "chosen": "same", "rejected": "same "} for word in "abc"]
MISSING = [{"instruction": "Say a.", "chosen": "x"}, {"instruction": "Say b.", "chosen": " ", "rejected": "x"}]
ONE_SIDED = [{"chosen": "\n\nHuman: Hi.\n\nAssistant: a", "rejected": "\n\nHuman: Ho.\n\nAssistant: b"}]
LONG = [
    {"instruction": "x" * 200, "chosen": "a", "rejected": "b"},
    {"instruction": "Say it.", "chosen": "y" * 300 + "a", "rejected": "y" * 300 + "b"},
]
CUT = [{"instruction": "Say so.", "chosen": "y" * 300, "rejected": "z" * 300}]
ON_PAIRS: dict[str, Any] = {"steps": 2, "batch_size": 2, "max_length": 64}
BY_REWARD: dict[str, Any] = {"steps": 4, "max_tokens": 6, "max_length": 64}


@pytest.fixture(scope="module")
def start(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("start") / "chat"
    return str(checkpoints.chat(folder, dtype=torch.float32, tie_word_embeddings=False, max_position_embeddings=1024))


def by_reward(start: str, use: str, how: str) -> dict[str, Any]:
    """A trainer whose checker goes wrong in this way (`reward_parts.Trouble`)."""
    sizes = {"prompts_per_step": 4} if use == "PPO" else {"prompts_per_step": 2, "num_generations": 2}
    return {"use": use, "model": start, "rewards": {"it": trouble(how)}, **BY_REWARD, **sizes}


def trouble(how: str) -> dict[str, str]:
    return {"use": "reward_parts:Trouble", "how": how}


class Bench:
    """Runs recipes on a file of pairs in one folder, in this process."""

    def __init__(self, start: str, place: Path) -> None:
        self.start, self.place = start, place

    def recipe(self, rows: Sequence[Any], train: dict[str, Any], *, keep: bool, broken: str = "drop") -> dict[str, Any]:
        file = self.place / "pairs.jsonl"
        file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
        source = {"use": "PreferencePairs", "path": str(file), "broken": broken}
        return {
            "name": "pairs",
            "generate": {"use": "FromSource", "source": source},
            "keep": [{"use": "ClearPreference"}] if keep else [],
            "train": train,
            "prove": {
                "holdout": {"use": "SeedTasks", "part": "held-out", "limit": 2},
                "evaluate": {
                    "use": "Answers",
                    "by": {"use": "ChrF", "references": ["output"]},
                    "decoding": {"max_tokens": 4},
                },
                "arms": ["base", "filtered"],
            },
        }

    def on_pairs(self, use: str, rows: Sequence[Any], **more: Any) -> dict[str, Any]:
        """By DPO, or by PPO after a reward model that learns from the pairs."""
        trainer = {"use": use, "model": self.start, **ON_PAIRS}
        if use == "DPO":
            return self.recipe(rows, trainer, **more)
        after = {"use": "PPO", "model": self.start, "reward": "trained:rater", "prompts_per_step": 4, **BY_REWARD}
        return {**self.recipe(rows, after, **more), "models": {"rater": {"train": trainer}}}

    def words(self, recipe: dict[str, Any]) -> list[object]:
        """Write the recipe, and return the command that runs it."""
        file = self.place / "recipe.yaml"
        file.write_text(yaml.safe_dump(recipe), encoding="utf-8")
        return ["run", file, "--out", self.out, "--json"]

    def run(self, recipe: dict[str, Any]) -> None:
        result = called(self.words(recipe))
        assert result.returncode == 0, result.stderr

    def error(self, recipe: dict[str, Any]) -> UserError:
        """Run a recipe that must end with a user error."""
        return user_error(self.words(recipe))

    @property
    def out(self) -> Path:
        return self.place / "out"

    def facts(self, stage: str) -> dict[str, float]:
        facts: dict[str, float] = json.loads((folder_of(self.out, stage) / "artifact.json").read_text("utf-8"))["facts"]
        return facts


@pytest.fixture
def bench(start: str, tmp_path: Path) -> Bench:
    return Bench(start, tmp_path)


STAGES = {"DPO": "train-filtered-0", "RewardModel": "model-rater"}


@pytest.mark.parametrize("use", STAGES)
@pytest.mark.parametrize("keep", [True, False], ids=["filtered", "unfiltered"])
def test_unusable_pairs_are_counted(bench: Bench, use: str, keep: bool) -> None:
    rows = [*GOOD, *EQUAL, *MISSING, *ONE_SIDED, *LONG, *CUT]
    bench.run(bench.on_pairs(use, rows, keep=keep))
    assert counts(bench.out, "keep")["dropped"] == (6 if keep else 0)
    trained = counts(bench.out, STAGES[use])
    assert (trained["samples"], trained.get("unusable", 0)) == (9, 0 if keep else 6)
    facts = bench.facts(STAGES[use])
    assert (facts["too long"], facts["cut"], facts["equal answers"]) == (2, 1, 0)


@pytest.mark.parametrize("use", STAGES)
def test_without_usable_pairs_the_owner_of_the_trainer_is_named(bench: Bench, use: str) -> None:
    owner = {"DPO": "'filtered'", "RewardModel": "'rater'"}[use]
    error = bench.error(bench.on_pairs(use, [*EQUAL, *MISSING], keep=False))
    assert error.code == "recipe"
    assert owner in error.message
    assert "5 samples" in error.message
    error = bench.error(bench.on_pairs(use, LONG, keep=True))
    assert (error.code, error.fields) == ("recipe", {"name": use, "samples": 2, "dropped": {"too long": 2}})
    assert f"{use}.max_length" in error.hint


def test_the_counts_of_the_filters_are_named(bench: Bench) -> None:
    error = bench.error(bench.on_pairs("DPO", [*EQUAL, *MISSING], keep=True))
    assert error.code == "recipe"
    assert "'filtered'" in error.message
    assert "0 of 5" in error.message


def test_a_broken_pair_is_named_by_its_line(bench: Bench) -> None:
    error = bench.error(bench.on_pairs("DPO", [*GOOD, *MISSING], keep=True, broken="refuse"))
    assert (error.code, error.fields["place"]) == ("source", f"{bench.place / 'pairs.jsonl'}, line 7")
    assert "rejected" in error.message


REASONS = {"raises": "ZeroDivisionError: ", "hangs": "1 ms", "gives nan": "ValueError: Score.value "}
"""What is wrong with a score, as `reward_parts.Trouble` or Python names it."""


@pytest.mark.parametrize("use", ["PPO", "GRPO"])
@pytest.mark.parametrize("how", REASONS)
def test_answers_without_a_reward_end_a_training(bench: Bench, use: str, how: str) -> None:
    error = bench.error(bench.recipe(GOOD, by_reward(bench.start, use, how), keep=True))
    assert (error.code, error.fields["answers"], error.fields["step"]) == ("recipe", 4, 1)
    assert "it: " in str(error)
    assert REASONS[how] in str(error)
    assert ".." not in str(error)


@pytest.mark.parametrize("use", ["PPO", "GRPO"])
@pytest.mark.parametrize(
    ("how", "code", "fields"),
    [
        ("labels", "recipe", {"actual": Label}),
        ("same", "recipe", {"reward": 0.5}),
        ("knows no such thing", "model", {}),
    ],
)
def test_a_reward_without_information_ends_a_training(
    bench: Bench, use: str, how: str, code: str, fields: dict[str, object]
) -> None:
    error = bench.error(bench.recipe(GOOD, by_reward(bench.start, use, how), keep=True))
    assert error.code == code
    assert error.fields.items() >= fields.items()
    assert ".." not in str(error)


@pytest.mark.parametrize(("how", "reason"), REASONS.items())
def test_pairs_without_a_score_of_the_ranker_have_failed(bench: Bench, how: str, reason: str) -> None:
    ranked = bench.on_pairs("DPO", [], keep=True)
    sampling = {"strategy": "sample", "max_tokens": 6}
    ranked["generate"] = {
        "use": "Preferences",
        "prompts": {"use": "SeedTasks", "limit": 3},
        "answerers": {name: {"model": bench.start, "decoding": sampling} for name in "ab"},
        "rank": {"it": trouble(how)},
    }
    error = bench.error(ranked)
    assert error.code == "recipe"
    assert "'filtered'" in error.message
    assert reason in error.message
    assert counts(bench.out, "generate")["failed"] == 3


def test_answers_that_a_measure_cannot_score_have_failed(bench: Bench) -> None:
    recipe = bench.on_pairs("DPO", GOOD, keep=True)
    recipe["prove"]["measures"] = {"odd": trouble("raises")}
    bench.run(recipe)
    assert counts(bench.out, "measure-odd")["failed"] == 4
    recipe["prove"]["evaluate"]["by"] = trouble("raises")
    error = bench.error(recipe)
    assert error.code == "user"
    assert "ZeroDivisionError" in error.message
