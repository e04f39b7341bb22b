"""Pairs, runs and the check of a resumed training, shared by the tests of trainers on pairs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from assay.core.curves import Curves
from assay.core.roles import Artifact
from assay.core.sample import Sample
from components.trainers.killing import check_resumed_equals_whole, kill_at_step_5, only_checkpoint
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
    artifact: Artifact = trainer.train(pairs() if samples is None else samples, tiny_lab(folder, seed=seed))
    return artifact


def read_artifact_json(artifact: Artifact, name: str) -> Any:
    return json.loads((Path(artifact.path).parent / name).read_text("utf-8"))


def curves(artifact: Artifact) -> Curves:
    values = read_artifact_json(artifact, "curves.json")
    return Curves(tuple(values["steps"]), {name: tuple(row) for name, row in values["values"].items()})


def check_resume_after_kill(kind: type, start: Path, folder: Path, method: str) -> None:
    """A killed training on pairs resumes and equals an uninterrupted one."""
    arguments = {"steps": 7, "batch_size": 3, "max_length": 128, "save_every": 2, "method": method, "eval_every": 3}
    trainer = kind(str(start), **arguments)
    imports = f"from components.trainers.pair_parts import pairs\nfrom {kind.__module__} import {kind.__name__}"
    kill_at_step_5(folder / "work", repr(trainer), "pairs()", imports)
    assert only_checkpoint(folder / "work") == "checkpoint-4"
    whole = run(trainer, folder / "whole")
    assert {"history.json", "curves.json", "held-out.json"} <= {path.name for path in (folder / "whole").iterdir()}
    check_resumed_equals_whole(trainer, pairs(), tiny_lab(folder / "work"), whole, 5)
