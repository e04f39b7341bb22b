"""Runs of the recipes align and reason that are killed (kill -9) at many moments resume from their checkpoints."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch

import checkpoints
import command_line as commands
from assay.components.trainers.reinforcement.ppo_loop import LAST_CHECKPOINT
from assay.components.trainers.training_run import CHECKPOINTS, last_complete_checkpoint
from run_parts import datasets, stamps

PATIENCE = 300.0
"""Maximum seconds to wait for a moment."""
TIMES = ("seconds", "items_per_second", "images_per_second")
"""Fields of the results that differ between runs."""


@dataclass(frozen=True)
class Trial:
    """A shipped recipe, made small by `--set` alone, and the trainings in which it is killed."""

    recipe: str
    changes: tuple[str, ...]
    trainings: tuple[str, ...]
    """In the order in which they run; each is killed after a checkpoint."""
    seed: int
    """Seed of the random moments."""


ALIGN = (
    "models.sft.train.model={start}",
    "models.sft.train.steps=20",
    "models.sft.train.batch_size=2",
    "models.sft.train.learning_rate=1e-3",
    "models.sft.train.save_every=2",
    "models.sft.data.limit=8",
    "models.reward.train.steps=20",
    "models.reward.train.batch_size=2",
    "models.reward.train.learning_rate=1e-2",
    "models.reward.train.save_every=2",
    "generate.prompts.limit=8",
    "generate.answerers.untuned.model={start}",
    *(f"generate.answerers.{name}.decoding.max_tokens=12" for name in ("calm", "lively", "wild", "untuned")),
    "generate.rank.likeness.model={encoder}",
    "generate.min_difference.likeness=0.0001",
    "train.steps=20",
    "train.batch_size=2",
    "train.learning_rate=2e-3",
    "train.save_every=2",
    "prove.holdout.limit=5",
    "prove.evaluate.by.model={encoder}",
    "prove.evaluate.decoding.max_tokens=12",
    "prove.variants.ppo.watch.likeness.model={encoder}",
    "prove.variants.ppo.steps=16",
    "prove.variants.ppo.prompts_per_step=4",
    "prove.variants.ppo.max_tokens=8",
    "prove.variants.ppo.learning_rate=3e-3",
    "prove.variants.ppo.save_every=2",
    "prove.duel.model={start}",
    *(f"prove.also.{name}.holdout.limit=4" for name in ("truthful", "declines-unsafe", "answers-safe")),
    *(f"prove.also.{name}.evaluate.decoding.max_tokens=12" for name in ("declines-unsafe", "answers-safe")),
)
REASON = (
    "models.sft.train.model={start}",
    "models.sft.train.steps=20",
    "models.sft.train.batch_size=2",
    "models.sft.train.learning_rate=1e-3",
    "models.sft.train.save_every=2",
    "models.sft.data.count=20",
    "generate.count=30",
    # A start that knows no number is never right: it would learn nothing.
    "train.rewards={{like: {{use: ChrF, references: [output]}}}}",
    "train.steps=20",
    "train.prompts_per_step=2",
    "train.num_generations=2",
    "train.max_tokens=8",
    "train.learning_rate=1e-2",
    "train.save_every=2",
    "prove.holdout.count=6",
    "prove.evaluate.decoding.max_tokens=12",
    "prove.variants.imitation.steps=20",
    "prove.variants.imitation.batch_size=2",
    "prove.variants.imitation.save_every=2",
    "prove.arms=[base, sft, grpo, imitation]",
)
TRIALS = (
    Trial("align", ALIGN, ("model-sft", "model-reward", "train-ppo-0", "train-dpo-0"), seed=7),
    Trial("reason", REASON, ("model-sft", "train-grpo-0", "train-imitation-0"), seed=8),
)


def words_of(trial: Trial, folder: Path) -> list[str]:
    """Command without its run folder; builds the checkpoints that it starts from."""
    start = checkpoints.chat(
        folder / "start", dtype=torch.float32, tie_word_embeddings=False, max_position_embeddings=2048
    )
    paths = {"start": start, "encoder": checkpoints.bert(folder / "encoder")}
    changes = [word for change in trial.changes for word in ("--set", change.format(**paths))]
    return ["run", trial.recipe, "--quick", *changes]


@contextmanager
def running(words: Sequence[str], folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Start a run in its own process group, which is killed as a whole."""
    command = [sys.executable, "-m", "assay.cli.main", *words, "--out", str(folder)]
    with (
        (folder.parent / "said").open("ab") as output,
        subprocess.Popen(
            command,
            env=commands.environment(),
            stdout=output,
            stderr=output,
            cwd=commands.TESTS,
            start_new_session=True,
        ) as process,
    ):
        try:
            yield process
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)


def killed(words: Sequence[str], folder: Path, when: Callable[[], bool], delay: float = 0.0) -> bool:
    """Run until `when` is true, wait for `delay` seconds and kill; False if the run ended before."""
    with running(words, folder) as process:
        patience = time.monotonic() + PATIENCE
        while process.poll() is None and not when():
            assert time.monotonic() < patience, "the moment never came"
            time.sleep(0.002)
        time.sleep(delay)
        return process.poll() is None


def checkpoint(folder: Path, stage: str) -> tuple[int, float]:
    """Step of the last complete checkpoint of a training, and its time; (0, 0) if there is none."""
    folders = [path for path in folder.glob(f"{stage}-*") if path.is_dir()]
    if not folders:
        return 0, 0.0
    try:
        if (last := folders[0] / CHECKPOINTS / LAST_CHECKPOINT).is_file():
            with last.open("rb") as opened:  # the next takes its name, and not this one's place
                return int(torch.load(opened, weights_only=True)["state"]["step"]), os.fstat(opened.fileno()).st_mtime
        if there := last_complete_checkpoint(folders[0]):
            return int(there.rpartition("-")[2]), (Path(there) / "trainer_state.json").stat().st_mtime
    except FileNotFoundError:  # it was replaced, or cleared away, while it was looked at
        pass
    return 0, 0.0


def resumed_steps(words: Sequence[str], folder: Path, stage: str, when: Callable[[], bool], delay: float) -> list[int]:
    """As `killed`; returns the observed steps of the checkpoints of `stage` that this run writes."""
    before, steps = checkpoint(folder, stage), dict[int, None]()

    def observe() -> bool:
        step, modified = checkpoint(folder, stage)
        if modified > before[1]:
            steps[step] = None
        return when()

    killed(words, folder, observe, delay)
    return list(steps)


def final_files(folder: Path) -> dict[str, tuple[int, int]]:
    """Files that must not be written again: those of finished stages, and parts of other stages than trainings."""
    finished = {path.parent.name for path in folder.glob("*/receipt.json")}
    return {
        name: stamp
        for name, stamp in stamps(folder).items()
        if name.split("/")[0] in finished
        or (Path(name).match("part-*.parquet") and not name.startswith(("train-", "model-", "ood_scores-")))
    }


def files(folder: Path) -> int:
    """Number of files of a run, without checkpoints, which are temporary."""
    walked = os.walk(folder)  # which passes over what is cleared away meanwhile
    return sum(len(names) for place, _, names in walked if CHECKPOINTS not in Path(place).parts)


def results(folder: Path) -> Any:
    """Results without times and paths."""
    data = json.loads((folder / "results.json").read_text(encoding="utf-8"))
    return _timeless(
        {**data, "reproduction": {**data["reproduction"], **dict.fromkeys(("command", "run", "finished"))}}
    )


def _timeless(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _timeless(part) for name, part in value.items() if name not in TIMES}
    return [_timeless(part) for part in value] if isinstance(value, list) else value


@pytest.mark.full
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("trial", TRIALS, ids=[trial.recipe for trial in TRIALS])
def test_a_run_killed_in_every_training_has_the_same_results(trial: Trial, tmp_path: Path) -> None:
    words = words_of(trial, tmp_path)
    undisturbed = commands.assay([*words, "--out", tmp_path / "whole"])
    assert undisturbed.returncode == 0, undisturbed.stderr

    folder = tmp_path / "run"
    chance = random.Random(trial.seed)
    seen = dict[str, tuple[int, int]]()
    for stage in trial.trainings:
        least = chance.choice((4, 6, 8))
        print(f"{stage}: killed after step {least}")
        assert killed(words, folder, lambda stage=stage, least=least: checkpoint(folder, stage)[0] >= least)
        assert seen.items() <= stamps(folder).items()
        seen |= final_files(folder)
        step, _ = checkpoint(folder, stage)
        there, more, delay = files(folder), chance.randint(8, 12), chance.uniform(0, 0.3)
        assert step >= least
        print(f"{stage}: killed at step {step}, then when there are {more} more files than {there}, and {delay:.2f} s")
        steps = resumed_steps(words, folder, stage, lambda there=there, more=more: files(folder) >= there + more, delay)
        print(f"{stage}: after that, checkpoints at {steps}")
        assert min(steps) > step
        assert seen.items() <= stamps(folder).items()
        seen |= final_files(folder)
    ended = commands.assay([*words, "--out", folder])
    assert ended.returncode == 0, ended.stderr
    assert seen.items() <= stamps(folder).items()
    assert datasets(folder) == datasets(tmp_path / "whole")
    assert results(folder) == results(tmp_path / "whole")
    assert {path.name for path in folder.iterdir()} == {path.name for path in (tmp_path / "whole").iterdir()}
