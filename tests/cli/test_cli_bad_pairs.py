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
from assay.cli.main import main
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
    own = {"prompts_per_step": 4} if use == "PPO" else {"prompts_per_step": 2, "num_generations": 2}
    return {"use": use, "model": start, "rewards": {"it": trouble(how)}, **BY_REWARD, **own}


def trouble(how: str) -> dict[str, str]:
    return {"use": "reward_parts:Trouble", "how": how}


class Bench:
    """Runs recipes on a file of pairs in one folder, in this process."""

    def __init__(self, start: str, place: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
        self.start, self.place, self._monkeypatch, self._capsys = start, place, monkeypatch, capsys

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
        own = {"use": use, "model": self.start, **ON_PAIRS}
        if use == "DPO":
            return self.recipe(rows, own, **more)
        after = {"use": "PPO", "model": self.start, "reward": "trained:rater", "prompts_per_step": 4, **BY_REWARD}
        return {**self.recipe(rows, after, **more), "models": {"rater": {"train": own}}}

    def run(self, recipe: dict[str, Any]) -> tuple[int, str]:
        """Exit code and what was said of what went wrong."""
        file = self.place / "recipe.yaml"
        file.write_text(yaml.safe_dump(recipe), encoding="utf-8")
        self._monkeypatch.setattr("sys.argv", ["assay", "run", str(file), "--out", str(self.out), "--json"])
        try:
            main()
        except SystemExit as stopped:
            return int(str(stopped.code)), str(json.loads(self._capsys.readouterr().out.splitlines()[-1])["error"])
        return 0, ""

    @property
    def out(self) -> Path:
        return self.place / "out"

    def facts(self, stage: str) -> dict[str, float]:
        found: dict[str, float] = json.loads((folder_of(self.out, stage) / "artifact.json").read_text("utf-8"))["facts"]
        return found


@pytest.fixture
def bench(start: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> Bench:
    return Bench(start, tmp_path, monkeypatch, capsys)


STAGES = {"DPO": "train-filtered-0", "RewardModel": "model-rater"}


@pytest.mark.parametrize("use", STAGES)
@pytest.mark.parametrize("keep", [True, False], ids=["filtered", "unfiltered"])
def test_every_pair_that_nothing_can_be_learnt_from_is_counted(bench: Bench, use: str, keep: bool) -> None:
    rows = [*GOOD, *EQUAL, *MISSING, *ONE_SIDED, *LONG, *CUT]
    assert bench.run(bench.on_pairs(use, rows, keep=keep)) == (0, "")
    assert counts(bench.out, "keep")["dropped"] == (6 if keep else 0)
    trained = counts(bench.out, STAGES[use])
    assert (trained["samples"], trained.get("unusable", 0)) == (9, 0 if keep else 6)
    facts = bench.facts(STAGES[use])
    assert (facts["too long"], facts["cut"], facts["equal answers"]) == (2, 1, 0)


@pytest.mark.parametrize("use", STAGES)
def test_where_no_pair_is_left_it_is_said_why(bench: Bench, use: str) -> None:
    owner = {"DPO": "The arm 'filtered'", "RewardModel": "The model 'rater'"}[use]
    code, said = bench.run(bench.on_pairs(use, [*EQUAL, *MISSING], keep=False))
    assert code == 2
    assert said.startswith(owner)
    assert "none of 5 samples" in said
    code, said = bench.run(bench.on_pairs(use, LONG, keep=True))
    assert code == 2
    assert said == f"{use} cannot learn from any of 2 pairs: 2 too long.\n  Raise {use}.max_length."


def test_what_the_filters_dropped_is_said_with_how_many_there_were(bench: Bench) -> None:
    code, said = bench.run(bench.on_pairs("DPO", [*EQUAL, *MISSING], keep=True))
    assert code == 2
    assert said.startswith("The arm 'filtered'")
    assert "kept 0 of 5 samples" in said


def test_a_broken_pair_is_named_by_its_line(bench: Bench) -> None:
    code, said = bench.run(bench.on_pairs("DPO", [*GOOD, *MISSING], keep=True, broken="refuse"))
    assert code == 2
    assert "pairs.jsonl, line 7: rejected is missing or blank." in said


NO_REWARD = {
    "raises": "it: ZeroDivisionError: division by zero",
    "hangs": "it: It took longer than 1 ms.",
    "gives nan": "it: ValueError: Score.value must be finite, was nan",
    "labels": "rewards.it returns a label, but a reward must be a number.",
    "same": "there is nothing to learn.",
    "knows no such thing": "There is no such judge.",
}


@pytest.mark.parametrize("use", ["PPO", "GRPO"])
@pytest.mark.parametrize("how", NO_REWARD)
def test_a_reward_that_teaches_nothing_is_told(bench: Bench, use: str, how: str) -> None:
    code, said = bench.run(bench.recipe(GOOD, by_reward(bench.start, use, how), keep=True))
    assert code == 2
    assert NO_REWARD[how] in said
    assert ".." not in said


@pytest.mark.parametrize(
    ("how", "reason"),
    [
        ("raises", "no ranker could say: ZeroDivisionError: division by zero"),
        ("hangs", "no ranker could say: It took longer than 1 ms."),
        ("gives nan", "no ranker could say: ValueError: Score.value must be finite, was nan"),
    ],
)
def test_pairs_that_a_broken_ranker_cannot_tell_apart_have_failed(bench: Bench, how: str, reason: str) -> None:
    ranked = bench.on_pairs("DPO", [], keep=True)
    sampling = {"strategy": "sample", "max_tokens": 6}
    ranked["generate"] = {
        "use": "Preferences",
        "prompts": {"use": "SeedTasks", "limit": 3},
        "answerers": {name: {"model": bench.start, "decoding": sampling} for name in "ab"},
        "rank": {"it": trouble(how)},
    }
    code, said = bench.run(ranked)
    assert code == 2
    assert "'filtered'" in said
    assert reason in said
    assert counts(bench.out, "generate")["failed"] == 3


def test_a_measure_that_raises_has_failed_for_those_answers(bench: Bench) -> None:
    recipe = bench.on_pairs("DPO", GOOD, keep=True)
    recipe["prove"]["measures"] = {"odd": trouble("raises")}
    bench.run(recipe)
    assert counts(bench.out, "measure-odd")["failed"] == 4
    recipe["prove"]["evaluate"]["by"] = trouble("raises")
    code, said = bench.run(recipe)
    assert code == 2
    assert said.endswith("no held-out sample has a score for every model. ZeroDivisionError: division by zero")
