"""What the tests of trainers on pairs share: pairs, runs, and what a killed training is."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from assay.core.curves import Curves
from assay.core.roles import Artifact
from assay.core.sample import Sample
from components.trainers.killing import ends_as_if_it_had_not_been_killed, killed_at_the_fifth_step, only_checkpoint
from labs import tiny_lab

WORDS = ("sea", "hill", "river", "고양이", "a long walk", "bird", "tree", "stone", "moon", "star")


def pairs(count: int = 10) -> list[Sample]:
    """The chosen answer is polite."""
    return [
        Sample(
            {
                "instruction": f"Say {WORDS[nth % len(WORDS)]}.",
                "input": "" if nth % 2 else "twice",
                "chosen": f"{WORDS[nth % len(WORDS)]}, please",
                "rejected": f"{WORDS[nth % len(WORDS)]} now",
                "margin": f"{nth % 3}",
            },
            nth=nth,
        )
        for nth in range(count)
    ]


def run(trainer: Any, folder: Path, samples: Sequence[Sample] | None = None, *, seed: int = 7) -> Artifact:
    folder.mkdir(exist_ok=True)
    made: Artifact = trainer.train(pairs() if samples is None else samples, tiny_lab(folder, seed=seed))
    return made


def read_artifact_json(artifact: Artifact, name: str) -> Any:
    return json.loads((Path(artifact.path).parent / name).read_text("utf-8"))


def curves(artifact: Artifact) -> Curves:
    found = read_artifact_json(artifact, "curves.json")
    return Curves(tuple(found["steps"]), {name: tuple(row) for name, row in found["values"].items()})


def check_goes_on_after_a_kill(kind: type, start: Path, folder: Path, method: str) -> None:
    """A training on pairs by LoRA or of all weights, killed and gone on with, beside one that nobody killed."""
    arguments = {"steps": 7, "batch_size": 3, "max_length": 128, "save_every": 2, "method": method, "eval_every": 3}
    trainer = kind(str(start), **arguments)
    imports = f"from components.trainers.pair_parts import pairs\nfrom {kind.__module__} import {kind.__name__}"
    killed_at_the_fifth_step(folder / "work", repr(trainer), "pairs()", imports)
    assert only_checkpoint(folder / "work") == "checkpoint-4"
    whole = run(trainer, folder / "whole")
    assert {"history.json", "curves.json", "held-out.json"} <= {one.name for one in (folder / "whole").iterdir()}
    ends_as_if_it_had_not_been_killed(trainer, pairs(), tiny_lab(folder / "work"), whole, 5)
