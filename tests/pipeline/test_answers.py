"""Evaluation by answers: the base model, further measures, and pairwise comparison by a judge."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest

import run_parts
from answer_parts import START, Error, Exact, Nearer, Offset, TrueSums, recipe, task
from assay.analysis.report_data import ReportData
from assay.components.evaluators.answers import Answers
from assay.components.scorers.language_model.judge import Judge
from assay.components.scorers.language_model.pair_judge import PairJudge
from assay.components.trainers.reinforcement.grpo import GRPO
from assay.components.trainers.reinforcement.ppo import PPO
from assay.core.errors import RecipeError
from assay.core.recipe import AuxiliaryEvaluation, OwnModel, Proof
from assay.pipeline.cost import UNTRAINED_MODELS, estimate_run
from assay.pipeline.plan import plan_run
from assay.pipeline.recipe.codec import dump, load
from assay.pipeline.stages.arms import ArmData, samples_for
from assay.pipeline.stages.context import read_artifact
from assay.report.api import report
from assay.store.rows import read_results
from run_parts import counts, datasets, folder_of, run, stamps


@pytest.fixture(scope="module")
def finished_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("answers") / "whole"
    run(recipe(), folder)
    return folder


@pytest.fixture(scope="module")
def report_data(finished_run: Path) -> ReportData:
    return report(finished_run).facts


def test_the_base_is_not_trained(finished_run: Path) -> None:
    assert counts(finished_run, "train-base-0") == {"samples": 0, "steps": 0}
    assert read_artifact(folder_of(finished_run, "train-base-0")).path == "as it was"


def test_arms_are_trained_on_usable_samples_only(finished_run: Path) -> None:
    generated, unusable = 60, 6
    assert counts(finished_run, "train-unfiltered-0")["samples"] == generated - unusable
    kept = counts(finished_run, "keep")["kept"]
    assert [counts(finished_run, f"train-{arm}-0")["samples"] for arm in ("filtered", "random-subset")] == [kept, kept]
    assert counts(finished_run, "train-human-0")["samples"] == 20
    assert counts(finished_run, "train-human+synthetic-0")["samples"] == 20 + kept


def test_a_lower_value_is_better_for_an_error_measure(report_data: ReportData) -> None:
    main = report_data.comparisons[0]
    assert (main.ours, main.theirs, main.verdict, report_data.verdict) == ("filtered", "base", "helped", "helped")
    assert main.difference.estimate == pytest.approx(-START)
    assert main.difference.n == 29  # one has no number
    against_random = next(
        pair for pair in report_data.comparisons if (pair.ours, pair.theirs) == ("filtered", "random-subset")
    )
    assert against_random.verdict == "helped"
    assert (report_data.measure.name, report_data.measure.unit, report_data.measure.better) == (
        "sayings",
        "off by",
        "lower",
    )
    assert report_data.arm("base").result.estimate == pytest.approx(START + 0.1, abs=0.02)


def test_measures_score_the_same_answers(report_data: ReportData) -> None:
    exact, length = report_data.other_measures
    assert (exact.measure.name, exact.measure.proportion) == ("exact", True)
    assert exact.comparisons[0].difference.high == 1.0
    assert {arm: effect.estimate for arm, effect in exact.arms.items()}["base"] == 0.0
    # The task without an answer counts as not right.
    assert {arm: effect.estimate for arm, effect in exact.arms.items()}["filtered"] == pytest.approx(29 / 30)
    assert exact.unscored == 6
    assert exact.comparisons[0].verdict == "helped"
    assert [pair.ours for pair in exact.comparisons] == [pair.ours for pair in report_data.comparisons]
    assert (length.measure.name, length.measure.unit, length.measure.proportion) == ("length", "characters", False)
    assert dict(length.arms)["filtered"].n == 29


def test_every_arm_is_compared_with_the_base(report_data: ReportData) -> None:
    assert [comparison.ours for comparison in report_data.pairwise_comparisons] == [
        "unfiltered",
        "filtered",
        "random-subset",
        "human",
        "human+synthetic",
    ]
    filtered = report_data.pairwise_comparisons[1]
    assert (filtered.theirs, filtered.n, filtered.unscored, filtered.verdict) == ("base", 29, 1, "helped")
    assert (filtered.wins.estimate, filtered.conflicts, filtered.same) == (1.0, 0.0, 0)


def test_example_answers_include_the_reference(report_data: ReportData) -> None:
    assert len(report_data.example_answers) == 6
    for example in report_data.example_answers:
        answers = dict(example.answers)
        assert list(answers) == [arm.name for arm in report_data.arms]
        if answers["base"] != "(no answer)":
            assert (answers["human"], int(answers["base"])) == (example.reference, int(example.reference) + START)


def test_the_page_and_results_json_hold_every_section(finished_run: Path, report_data: ReportData) -> None:
    page = (finished_run / "report.html").read_text(encoding="utf-8")
    for anchor in ("other_measures", "pairwise_comparisons", "example_answers"):
        assert f'<section id="{anchor}"' in page
    results = json.loads((finished_run / "results.json").read_text(encoding="utf-8"))
    assert results["verdict"] == "helped"
    assert results["measure"]["better"] == "lower"
    assert [comparison["ours"] for comparison in results["pairwise_comparisons"]] == [
        comparison.ours for comparison in report_data.pairwise_comparisons
    ]
    assert re.search(r"\bSayings \(off by\b.*: filtered 0\.1, base model 6\.1\b", results["answer"])
    assert re.search(r"\bn = 29\b", results["answer"])
    assert re.search(r"\bfiltered is better\b[^;]*\bexact and the judge; no [^.]*\blength\.", results["answer"])


def test_a_second_run_does_nothing_and_another_folder_gets_the_same_bytes(finished_run: Path, tmp_path: Path) -> None:
    before = stamps(finished_run)
    reporter = run(recipe(), finished_run)
    assert stamps(finished_run) == before
    assert reporter.executed == set()
    run(recipe(), tmp_path / "again")
    assert datasets(tmp_path / "again") == datasets(finished_run)


def test_only_failed_measurements_are_retried(tmp_path: Path) -> None:
    recipe_ = recipe(measures={"exact": Exact(str(tmp_path))})
    reporter = run(recipe_, tmp_path / "run")
    assert "174 failed" in reporter.ended["measure-exact"]
    assert report(tmp_path / "run").facts.other_measures[0].unscored == 180
    (tmp_path / "mended").touch()
    second_reporter = run(recipe_, tmp_path / "run")
    assert "failed" not in second_reporter.ended["measure-exact"]
    assert second_reporter.executed == {"measure-exact"}
    rows = read_results(folder_of(tmp_path / "run", "measure-exact") / "part-00000.parquet")
    assert {row.arm for row in rows} == {"base"}


def test_several_trainings_are_compared_with_one_base(tmp_path: Path) -> None:
    run(recipe(seeds=2, arms=("base", "filtered", "unfiltered"), real=None), tmp_path / "run")
    report_data = report(tmp_path / "run").facts
    assert [len(arm.seeds) for arm in report_data.arms] == [1, 2, 2]
    assert report_data.pairwise_comparisons[0].n == 29
    assert report_data.pairwise_comparisons[0].unscored == 2


def test_without_a_base_the_opponent_is_the_second_arm_of_the_question(tmp_path: Path) -> None:
    recipe_ = recipe(arms=("filtered", "human"), answer=("filtered", "human"))
    run(recipe_, tmp_path / "run")
    comparisons = report(tmp_path / "run").facts.pairwise_comparisons
    assert [
        (comparison.ours, comparison.theirs, comparison.same, comparison.verdict) for comparison in comparisons
    ] == [("filtered", "human", 29, "no significant difference")]


def test_parts_and_variants_of_an_arm_are_arms(tmp_path: Path) -> None:
    """Number of tasks, another trainer, and the model that one starts from."""
    arms = ("base", "filtered", "filtered-8", "filtered-20", "filtered@shifted", "base@shifted")
    recipe_ = recipe(arms=arms, real=None, variants={"shifted": Offset(2, "as it was, larger")})
    run(recipe_, tmp_path / "run")
    report_data = report(tmp_path / "run").facts
    kept = counts(tmp_path / "run", "keep")["kept"]
    assert [arm.n_samples for arm in report_data.arms] == [0, kept, 8, 20, kept, 0]
    assert read_artifact(folder_of(tmp_path / "run", "train-base=shifted-0")).path == "as it was, larger"
    assert report_data.arm("filtered@shifted").result.estimate == pytest.approx(2.1, abs=0.02)
    pairs = [(pair.ours, pair.theirs) for pair in report_data.comparisons]
    expected = [("filtered-8", "filtered"), ("filtered@shifted", "filtered"), ("filtered@shifted", "base@shifted")]
    assert {*expected, ("base@shifted", "base"), ("filtered-20", "base")} <= set(pairs)
    assert re.fullmatch(r"[^;]*\bfilter; [^;]*\brandom\b[^;]* 8", report_data.arm("filtered-8").trained_on)
    assert re.search(r"; .*\bvariant 'shifted'$", report_data.arm("base@shifted").trained_on)


def test_a_smaller_subset_lies_in_a_larger_one() -> None:
    kept = [task(nth, 0) for nth in range(30)]
    few, more = (samples_for(f"filtered-{size}", ArmData(kept, kept), recipe().prove, 3) for size in (5, 12))  # type: ignore[arg-type]
    assert len(few) == 5
    assert {sample.id for sample in few} < {sample.id for sample in more}
    assert samples_for("filtered-99", ArmData(kept, kept), recipe().prove, 3) == kept  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("arm", "parts"),
    [
        ("filtered@", ("'filtered@'",)),
        ("filtered@slow", ("filtered@slow", "prove.variants", "shifted")),
        ("filtered-0", ("'filtered-0'", "unfiltered, filtered")),
        ("base-3", ("'base-3'",)),
        ("real-20", ("'real-20'", "prove.curve")),
        ("filterd", ("'filterd'", "'filtered'")),
        ("", ("''",)),
    ],
)
def test_an_invalid_arm_is_named(arm: str, parts: tuple[str, ...]) -> None:
    with pytest.raises(RecipeError) as error:
        recipe(arms=("base", arm), answer=(), variants={"shifted": Offset(2)})
    assert [part for part in parts if part not in str(error.value)] == []


def test_a_variant_holds_only_changes(tmp_path: Path) -> None:
    recipe_ = recipe(variants={"shifted": Offset(2)})
    path = tmp_path / "sums.yaml"
    text = dump(recipe_)
    path.write_text(text, encoding="utf-8")
    assert load(str(path)) == recipe_
    assert load(str(path), changes=["prove.variants.shifted={extra: 2}"]) == recipe_
    with pytest.raises(RecipeError, match=r"prove\.variants\.shifted: Offset.*'extras'"):
        load(str(path), changes=["prove.variants.shifted={extras: 2}"])
    with pytest.raises(RecipeError, match=r"prove\.variants\.shifted.*3"):
        load(str(path), changes=["prove.variants.shifted=3"])


def test_measures_and_duels_need_an_evaluator_with_answers() -> None:
    plain = {"holdout": TrueSums(), "evaluate": run_parts.Right()}
    with pytest.raises(RecipeError, match=r"prove\.measures\.exact.*Right"):
        Proof(**plain, measures={"exact": Exact()})  # type: ignore[arg-type]
    with pytest.raises(RecipeError, match=r"prove\.duel.*Right"):
        Proof(**plain, duel=Nearer())  # type: ignore[arg-type]
    with pytest.raises(RecipeError, match=r"prove\.duel"):
        recipe(arms=("filtered",), answer=(), real=None)


def test_only_a_trainer_that_starts_from_a_model_has_a_base() -> None:
    with pytest.raises(RecipeError, match=r"(?s)'base'.*Middles"):
        replace(recipe(), train=run_parts.Middles())
    assert recipe().train == Offset()


def test_measures_and_duel_survive_a_recipe_file(tmp_path: Path) -> None:
    path = tmp_path / "sums.yaml"
    path.write_text(dump(recipe()), encoding="utf-8")
    assert load(str(path)) == recipe()
    path.write_text(dump(recipe()).replace("answer_parts:Nearer", "answer_parts:Error"), encoding="utf-8")
    assert load(str(path)).prove == replace(recipe().prove, duel=Error())  # type: ignore[type-var]
    text = dump(recipe()).replace("answer_parts:Exact", "Exactly")
    path.write_text(text, encoding="utf-8")
    with pytest.raises(RecipeError, match="Exactly"):
        load(str(path))


def test_the_cost_of_judging_answers_is_unknown_before_training(tmp_path: Path) -> None:
    recipe_ = recipe(duel=PairJudge("openai:gpt-4o-mini"), measures={})
    (cost,) = estimate_run(recipe_, plan_run(recipe_, tmp_path))
    assert (cost.stage, cost.model, cost.estimate, cost.notes) == (
        "duel",
        "openai:gpt-4o-mini",
        None,
        (UNTRAINED_MODELS,),
    )
    assert estimate_run(recipe(), plan_run(recipe(), tmp_path)) == []


def test_the_cost_of_rewards_and_measures_is_unknown_before_training(tmp_path: Path) -> None:
    model = "openai:gpt-4o-mini"
    judge = Judge(model, "Praise what is short.")
    plain = recipe()
    assert plain.prove is not None
    proof = replace(
        plain.prove,
        duel=None,
        evaluate=Answers(judge),
        measures={"judged": judge},
        also={"far": AuxiliaryEvaluation(TrueSums(12, 7000), Answers(judge))},
        models=("rater",),
        arms=("base", "rater", "filtered"),
        real=None,
        seeds=2,
    )
    rater = OwnModel(PPO(rewards={"praise": judge}), TrueSums(5, 1))
    recipe_ = replace(plain, train=GRPO({"praise": judge}), prove=proof, models={"rater": rater})
    costs = estimate_run(recipe_, plan_run(recipe_, tmp_path))
    assert [(cost.stage, cost.model) for cost in costs] == [
        (stage, model)
        for stage in ("model-rater", "train-filtered-0", "train-filtered-1", "prove", "measure-judged", "also-far")
    ]
    assert {cost.notes for cost in costs} == {(UNTRAINED_MODELS,)}
    alone = replace(plain.prove, arms=("base", "filtered"), duel=None, measures={}, real=None)
    watching = replace(plain, train=GRPO({"exact": Exact()}, watch={"praise": judge}), prove=alone)
    assert [cost.stage for cost in estimate_run(watching, plan_run(watching, tmp_path))] == ["train-filtered-0"]
