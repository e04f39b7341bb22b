"""Generation in rounds: order, engines, and resuming after an interruption anywhere."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from assay.core.errors import ContractError
from assay.core.recipe import Recipe
from assay.core.sample import Failure, Sample
from assay.engines.local import Local
from assay.engines.ray import Ray
from assay.pipeline.plan import recipe_stages
from assay.pipeline.stages import generate as runs
from assay.pipeline.stages.context import map_by_round
from assay.pipeline.stages.generate import plan_shards, read_samples
from assay.pipeline.stages.parts import part_name, parts
from assay.store.shards import read_shard, write_shard
from run_parts import Chain, Interrupted, Shapes, counts, datasets, folder_of, run, stamps

RECIPE = Recipe("chain", Chain())
SIZE = 4
"""Samples per part: a round has three parts, and groups of three samples do not fill them."""


@pytest.fixture(autouse=True)
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runs, "SHARD", SIZE)


@pytest.fixture(scope="module")
def finished_run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(runs, "SHARD", SIZE)
        patch.setenv("PYTHONPATH", os.pathsep.join(sys.path))  # so that Ray's workers find the parts of tests
        folder = tmp_path_factory.mktemp("runs") / "whole"
        run(RECIPE, folder)
        yield folder
    if "ray" in sys.modules:
        sys.modules["ray"].shutdown()


def numbers(folder: Path) -> list[int | None]:
    rows = [row for path in parts(folder_of(folder, "generate")) for row in read_shard(path)]
    return [int(row.text("number")) if isinstance(row, Sample) else None for row in rows]


def test_a_round_reads_all_earlier_rounds_and_not_itself(finished_run: Path) -> None:
    assert numbers(finished_run) == [1] * 10 + [11] * 10 + [121] * 10
    assert counts(finished_run, "generate") == {"requested": 30, "made": 30, "failed": 0, "fresh": 30}


def test_parts_hold_whole_groups_of_one_round(tmp_path: Path) -> None:
    generator = Chain()
    shards = plan_shards(generator, generator.seeds(), tmp_path, 7)
    assert [len(shard.seeds) for shard in shards] == [6, 4] * 3
    assert [shard.target.name for shard in shards] == [part_name(nth) for nth in range(6)]
    assert [len(shard.before) for shard in shards] == [0, 0, 2, 2, 4, 4]
    # A group that is larger than a part is a part of its own.
    assert [len(shard.seeds) for shard in plan_shards(generator, generator.seeds(), tmp_path, 2)] == [3, 3, 3, 1] * 3
    # A generator without rounds has one round.
    shapes = Shapes(count=9)
    assert [(len(shard.seeds), shard.before) for shard in plan_shards(shapes, shapes.seeds(), tmp_path, SIZE)] == [
        (4, ()),
        (4, ()),
        (1, ()),
    ]
    assert plan_shards(generator, [], tmp_path, SIZE) == []


def test_rounds_that_differ_from_the_seeds_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ContractError, match="Chain"):
        run(Recipe("chain", Chain(wrong_rounds=True)), tmp_path / "run")


@pytest.mark.parametrize("engine", [Local(workers=2), Ray()], ids=repr)
def test_every_engine_writes_the_same_bytes(engine: Any, finished_run: Path, tmp_path: Path) -> None:
    run(RECIPE, tmp_path / "run", engine)
    assert datasets(tmp_path / "run") == datasets(finished_run)


@pytest.mark.parametrize("after", range(10))
def test_an_interrupted_run_resumes(finished_run: Path, tmp_path: Path, after: int) -> None:
    folder = tmp_path / "run"
    with pytest.raises(KeyboardInterrupt):
        run(RECIPE, folder, Interrupted(after))
    before = stamps(folder)
    run(RECIPE, folder)
    assert datasets(folder) == datasets(finished_run)
    assert before.items() <= stamps(folder).items()


@pytest.mark.parametrize("nth", [0, 4, 8])
def test_a_deleted_part_is_generated_again_with_the_same_bytes(finished_run: Path, tmp_path: Path, nth: int) -> None:
    run(RECIPE, tmp_path / "run")
    parts(folder_of(tmp_path / "run", "generate"))[nth].unlink()
    run(RECIPE, tmp_path / "run")
    assert datasets(tmp_path / "run") == datasets(finished_run)


@pytest.mark.fast
def test_a_run_killed_repeatedly_ends_with_the_same_bytes(finished_run: Path, tmp_path: Path) -> None:
    """kill -9 of another process."""
    folder = tmp_path / "run"
    code = (
        "import sys; from pathlib import Path; import run_parts as r; from assay.core.recipe import Recipe;"
        f"from assay.pipeline.stages import generate; generate.SHARD = {SIZE};"
        "r.run(Recipe('chain', r.Chain(pause=0.05)), Path(sys.argv[1]))"
    )
    n_parts = len(list(folder_of(finished_run, "generate").glob("part-*")))
    for minimum in (1, 4, 7):
        with subprocess.Popen([sys.executable, "-c", code, str(folder)]) as process:
            deadline = time.monotonic() + 120
            while len(list(folder.rglob("part-*.parquet"))) < minimum and process.poll() is None:
                assert time.monotonic() < deadline
                time.sleep(0.002)
            process.kill()
        assert minimum <= len(list(folder.rglob("part-*.parquet"))) < n_parts
    run(Recipe("chain", Chain(pause=0.05)), folder)
    assert numbers(folder) == numbers(finished_run)
    rows = {path.name: path.read_bytes() for path in parts(folder_of(finished_run, "generate"))}
    assert {path.name: path.read_bytes() for path in parts(folder_of(folder, "generate"))} == rows


def test_failures_are_in_no_later_round_and_are_retried_alone(tmp_path: Path) -> None:
    log_folder = tmp_path / "shop"
    log_folder.mkdir()
    recipe = Recipe("chain", Chain(folder=str(log_folder)))
    run(recipe, tmp_path / "run")
    assert counts(tmp_path / "run", "generate") == {"requested": 30, "made": 24, "failed": 6, "fresh": 30}
    first = numbers(tmp_path / "run")
    assert [number for number in first if number] == [1] * 8 + [9] * 8 + [81] * 8
    (log_folder / "mended").touch()
    (log_folder / "log").unlink()
    run(recipe, tmp_path / "run")
    second = numbers(tmp_path / "run")
    # Existing samples stay; retried samples read the rounds as they are now.
    assert [(a, b) for a, b in zip(first, second, strict=True) if a is not None and a != b] == []
    assert [b for a, b in zip(first, second, strict=True) if a is None] == [1, 1, 11, 11, 105, 105]
    assert (log_folder / "log").read_text().splitlines()[:2] == ["0 to 0 after 0", "5 to 5 after 0"]


def test_cached_samples_are_read_again_when_the_part_changes(tmp_path: Path) -> None:
    path = tmp_path / part_name(0)
    first, second = Sample({"a": "1"}), Sample({"a": "2"})
    write_shard(path, [first, Failure("x", "gone")], {})
    assert read_samples([path]) == (first,)
    assert read_samples([path]) is read_samples([path])
    write_shard(path, [second], {})
    assert read_samples([path]) == (second,)
    assert read_samples([]) == ()


def test_an_engine_receives_a_round_after_the_previous_one(tmp_path: Path) -> None:
    sizes: list[int] = []

    class Counting:
        def map(self, work: Any, shards: Any) -> Any:
            sizes.append(len(shards))
            return map(work, shards)

    shards = plan_shards(Chain(), Chain().seeds(), tmp_path, SIZE)
    rounds = map_by_round(Counting(), lambda shard: shard.target, shards)
    next(rounds)
    assert sizes == [3]
    assert len(list(rounds)) == len(shards) - 1
    assert sizes == [3, 3, 3]


def test_a_changed_input_changes_the_key_of_the_generator() -> None:
    class Reading(Chain):
        content = "one"

        def listing(self) -> str:
            return self.content

    generator = Reading()
    before = recipe_stages(replace(RECIPE, generate=generator))[0].spec
    Reading.content = "two"
    assert before != recipe_stages(replace(RECIPE, generate=generator))[0].spec
    assert "listing" not in recipe_stages(RECIPE)[0].spec
