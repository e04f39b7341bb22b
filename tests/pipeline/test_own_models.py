"""Models that a recipe trains itself: a generator, an arm, and the start of other trainings."""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from answer_parts import START, Offset, Sayings, SumsBy, TrueSums, offset, recipe
from assay.core.errors import RecipeError
from assay.core.recipe import AuxiliaryEvaluation, OwnModel, Recipe
from assay.engines.local import Local
from assay.engines.ray import Ray
from assay.pipeline.plan import recipe_stages
from assay.pipeline.recipe.codec import dump, load
from assay.pipeline.recipe.references import referenced_models, replace_references, root_models
from assay.pipeline.stages.context import read_artifact
from assay.report.api import report
from assay.store.shards import read_shard
from labs import tiny_lab
from run_parts import datasets, folder_of, run, stamps


def chain(**changes: Any) -> Recipe:
    """`first` trains on real data and generates; `second` trains on kept samples; two arms start from `first`."""
    start = Offset(begins="trained:first")
    plain = recipe()
    assert plain.prove is not None
    proof = replace(
        plain.prove,
        arms=("base", "first", "filtered", "more"),
        variants={"more": Offset(1, "trained:first")},
        answer=("filtered", "first"),
        against="first",
        models=("first", "second"),
        real=None,
        also={"far": AuxiliaryEvaluation(TrueSums(12, 7000), Sayings("Add 7003 "))},
    )
    chained = replace(
        plain,
        generate=SumsBy(model="trained:first"),
        models={"first": OwnModel(Offset(2), TrueSums(25, 3000)), "second": OwnModel(start)},
        train=start,
        prove=proof,
    )
    return replace(chained, **changes)


@pytest.fixture(scope="module")
def finished_run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", os.pathsep.join(sys.path))  # so that Ray's workers find the parts of tests
        folder = tmp_path_factory.mktemp("own") / "whole"
        run(chain(), folder)
        yield folder
    if "ray" in sys.modules:
        sys.modules["ray"].shutdown()


@pytest.mark.parametrize("engine", [Local(workers=2), Ray()], ids=repr)
def test_every_engine_trains_the_same(engine: Any, finished_run: Path, tmp_path: Path) -> None:
    run(chain(), tmp_path / "run", engine)
    assert datasets(tmp_path / "run") == datasets(finished_run)


def test_each_stage_comes_after_those_it_needs() -> None:
    names = [stage.name for stage in recipe_stages(chain())]
    for stage in recipe_stages(chain()):
        assert all(names.index(str(need)) < names.index(stage.name) for need in stage.needs)
    assert names.index("model-first") < names.index("generate") < names.index("keep") < names.index("model-second")


def test_the_generator_is_trained_before_it_generates(finished_run: Path) -> None:
    rows = read_shard(folder_of(finished_run, "generate") / "part-00000.parquet")
    assert {row.text("by") for row in rows} == {" 2"}  # type: ignore[union-attr]


def test_a_model_is_an_arm_and_its_root_model_is_the_base(finished_run: Path) -> None:
    report_data = report(finished_run).facts
    assert {arm.name: round(arm.result.estimate) for arm in report_data.arms} == {
        "base": round(START),
        "first": 2,
        "filtered": 0,
        "more": 1,
    }
    artifact = read_artifact(folder_of(finished_run, "train-first-0"))
    assert Path(artifact.path).resolve() == (folder_of(finished_run, "model-first") / "model").resolve()
    assert report_data.arm("first").n_samples == 25
    assert read_artifact(folder_of(finished_run, "train-base-0")).path == "as it was"


def test_arms_that_start_from_a_model_are_compared_with_it(finished_run: Path) -> None:
    report_data = report(finished_run).facts
    pairs = [(pair.ours, pair.theirs) for pair in report_data.comparisons]
    assert pairs[0] == ("filtered", "first")
    assert {("first", "base"), ("filtered", "base"), ("more", "first"), ("more", "filtered")} <= set(pairs)
    assert {comparison.theirs for comparison in report_data.pairwise_comparisons} == {"first"}


def test_every_model_has_an_auxiliary_evaluation(finished_run: Path) -> None:
    (extra,) = report(finished_run).facts.auxiliary_evaluation
    assert (extra.measure.name, extra.measure.unit, extra.arms["more"].n) == ("far", "off by", 11)
    assert {arm: round(effect.estimate) for arm, effect in extra.arms.items()}["more"] == 1
    results = json.loads((finished_run / "results.json").read_text(encoding="utf-8"))
    assert results["auxiliary_evaluation"][0]["measure"]["name"] == "far"
    assert re.search(r"\bAuxiliary evaluation: better\b.*\bfar\.", results["answer"])
    assert '<section id="auxiliary_evaluation"' in (finished_run / "report.html").read_text(encoding="utf-8")


def test_a_second_run_does_nothing_also_in_a_folder_that_was_moved(finished_run: Path, tmp_path: Path) -> None:
    moved = tmp_path / "moved"
    shutil.copytree(finished_run, moved)
    before = stamps(moved)
    reporter = run(chain(), moved)
    assert stamps(moved) == before
    assert reporter.executed == set()
    assert offset(read_artifact(folder_of(moved, "train-first-0")).path) == 2
    assert datasets(moved) == datasets(finished_run)


def test_a_changed_model_invalidates_all_stages_that_depend_on_it(finished_run: Path, tmp_path: Path) -> None:
    shutil.copytree(finished_run, tmp_path / "changed")
    models = {**chain().models, "first": OwnModel(Offset(3), TrueSums(25, 3000))}
    reporter = run(chain(models=models), tmp_path / "changed")
    executed = reporter.executed
    assert {"model-first", "generate", "model-second", "train-first-0", "train-more-0"} <= executed
    assert not {"holdout", "taught-first", "asked-far"} & executed


def test_a_recipe_is_written_and_read_back(tmp_path: Path) -> None:
    text = dump(chain())
    path = tmp_path / "chain.yaml"
    path.write_text(text, encoding="utf-8")
    assert load(str(path)) == chain()
    assert "trained:first" in text


def test_references_are_found_and_replaced_at_any_depth() -> None:
    generate = SumsBy(model="trained:first")
    assert referenced_models({"a": [generate, ("trained:b", "no trained:c")]}) == ("first", "b")
    assert replace_references(generate, {"first": "/there"}) == SumsBy(model="/there")
    assert replace_references(generate, {"other": "/there"}) is generate
    assert root_models(chain(), tiny_lab()) == {"first": "as it was", "second": "as it was"}


def test_an_unknown_model_is_named() -> None:
    with pytest.raises(RecipeError, match="'frist'"):
        recipe_stages(chain(generate=SumsBy(model="trained:frist")))


def test_a_cycle_of_models_is_refused() -> None:
    models = {"first": OwnModel(Offset(begins="trained:second"), TrueSums()), "second": OwnModel(Offset())}
    with pytest.raises(RecipeError, match="first, second"):
        recipe_stages(chain(models=models))


@pytest.mark.parametrize(
    ("change", "parts"),
    [
        ({"models": {"first": {"data": {"use": "SeedTasks"}}}}, ("models.first", "'train'")),
        ({"models": {"first": {"train": {"use": "SFT"}, "off": 1}}}, ("models.first", "'off'")),
        ({"models": {"fir st": {"train": {"use": "SFT"}}}}, ("models", "'fir st'")),
        ({"models": {"base": {"train": {"use": "SFT"}}}}, ("'base'",)),
        ({"prove": {"models": ["first"]}}, ("prove", "'models'", "models:")),
        ({"prove": {"against": "nobody"}}, ("prove.against", "'nobody'")),
        ({"prove": {"arms": ["base", "nobody"]}}, ("'nobody'",)),
        ({"prove": {"also": {"far": {"holdout": {"use": "SeedTasks"}}}}}, ("prove.also.far", "'evaluate'")),
        ({"train": {"model": "trained:nobody"}}, ("trained:nobody", "models:")),
    ],
)
def test_a_wrong_value_is_named_with_its_place(tmp_path: Path, change: dict[str, Any], parts: tuple[str, ...]) -> None:
    path = tmp_path / "wrong.yaml"
    path.write_text(json.dumps({"like": "instruct", **change}), encoding="utf-8")
    with pytest.raises(RecipeError) as error:
        load(str(path))
    assert [part for part in parts if part not in str(error.value)] == []
