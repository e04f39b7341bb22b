"""Cost estimates before and after generation, compared with the requests of a run."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from assay.components.generators.generate_texts import GenerateTexts
from assay.components.scorers.language_model.judge import Judge
from assay.core.decoding import Decoding
from assay.core.errors import FieldError
from assay.core.recipe import Recipe
from assay.core.sample import Sample
from assay.engines.local import Local
from assay.evaluation.asking import EXAMPLES, PromptedQuestion, ask_each, prompting_methods, requests_of
from assay.models.open_models import OpenModels
from assay.models.remote.budget import Budget
from assay.pipeline.cost import UNKNOWN_LENGTH, UPPER_BOUND, CostEstimate, estimate_requests, estimate_run
from assay.pipeline.plan import plan_run
from assay.pipeline.runner import Runner
from assay.store.run_folder import RunFolder
from assay.text.prompting.methods import Prompting
from fault_server import FaultServer
from remote_parts import opened, plant_keys
from run_parts import Shapes

pytest.importorskip("any_llm")

MODEL = "openai:gpt-4o-mini"
WRITE = GenerateTexts(MODEL, ("praise", "complaint"), per_label=40, decoding=Decoding("sample", max_tokens=60))
JUDGE = Judge(MODEL, "Clarity: it is easy to follow.", output="text", instruction="prompt")
RECIPE = Recipe("letters", WRITE, score={"clear": JUDGE})


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[FaultServer]:
    plant_keys(monkeypatch)
    with FaultServer() as fault_server:
        monkeypatch.setenv("OPENAI_BASE_URL", f"{fault_server.base}/v1")
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
        yield fault_server


def estimates(recipe: Recipe, folder: Path) -> list[CostEstimate]:
    return estimate_run(recipe, plan_run(recipe, folder))


def test_scoring_is_estimated_before_and_after_generation(server: FaultServer, tmp_path: Path) -> None:
    folder = RunFolder.open(tmp_path / "run", create=True)
    generate, score = estimates(RECIPE, folder.path)
    assert not server.received
    assert (generate.stage, generate.assumed, score.stage, score.assumed) == ("generate", False, "score-clear", True)
    assert score.notes[-1] == UPPER_BOUND
    assert generate.estimate is not None
    assert score.estimate is not None
    assert (generate.estimate.askings, score.estimate.askings) == (80, 80)
    assert score.estimate.answer_tokens == 80 * 64
    assert score.estimate.dollars == pytest.approx((score.estimate.prompt_tokens * 0.15 + 80 * 64 * 0.6) / 1e6)

    budget = Budget(None, folder.ledger)
    Runner(RECIPE, folder, OpenModels(budget=budget), Local(), budget=budget).run()
    # Equal texts are scored by one request, so there are at most as many as estimated.
    assert 80 < len(server.received) <= 160
    assert estimates(RECIPE, folder.path) == []

    # With texts, another judge is estimated from them; they are not longer than assumed.
    other = replace(JUDGE, criteria="Clarity: it is easy to foll0w.")
    (cost,) = estimates(replace(RECIPE, score={"clear": JUDGE, "other": other}), folder.path)
    assert (cost.stage, cost.assumed) == ("score-other", False)
    assert cost.estimate is not None
    assert 40 < cost.estimate.askings <= 80
    assert cost.estimate.prompt_tokens < score.estimate.prompt_tokens


def test_longer_texts_cost_more_to_score(server: FaultServer, tmp_path: Path) -> None:
    longer = replace(RECIPE, generate=replace(WRITE, decoding=Decoding("sample", max_tokens=160)))
    (_, short), (_, long) = estimates(RECIPE, tmp_path / "none"), estimates(longer, tmp_path / "none")
    assert short.estimate is not None
    assert long.estimate is not None
    assert long.estimate.prompt_tokens - short.estimate.prompt_tokens == 80 * 100


def test_local_models_are_left_out_and_unknown_costs_are_unknown(tmp_path: Path) -> None:
    by_likelihood = replace(JUDGE, model="embedded:smollm2", by="likelihood")
    free = replace(WRITE, model="embedded:smollm2")
    assert estimates(Recipe("free", free, score={"clear": by_likelihood}), tmp_path / "none") == []
    # A local generator and a remote judge.
    (score,) = estimates(Recipe("half", free, score={"clear": JUDGE}), tmp_path / "none")
    assert score.estimate is not None
    assert score.estimate.askings == 80
    (nameless,) = estimates(
        Recipe("half", free, score={"clear": replace(JUDGE, model="http://127.0.0.1:9/v1#m")}), tmp_path
    )
    assert nameless.estimate is not None
    assert nameless.estimate.dollars is None
    # A generator that does not estimate its samples.
    (silent,) = estimates(Recipe("shapes", Shapes(), score={"clear": JUDGE}), tmp_path / "none")
    assert (silent.estimate, silent.notes) == (None, (UNKNOWN_LENGTH,))
    assert (silent.data["askings"], silent.data["dollars"], silent.data["model"]) == (None, None, MODEL)


def test_a_missing_field_is_an_error_of_the_plan(tmp_path: Path) -> None:
    wrong = replace(RECIPE, score={"clear": replace(JUDGE, output="output")})
    with pytest.raises(FieldError, match="'output'"):
        estimates(wrong, tmp_path / "none")


def test_an_estimate_is_an_upper_bound_for_methods_with_two_calls(server: FaultServer) -> None:
    """Estimate of commands before they send requests, for all prompting methods."""
    methods = prompting_methods(Prompting("few-shot", 3, kind="number"), 4, (12, 40), 7)
    questions = [PromptedQuestion(method, "How many are 5 and 7?", (), EXAMPLES["number"]) for method in methods]
    (cost,) = estimate_requests("ask", {MODEL: requests_of(questions), "embedded:smollm2": []})
    assert cost.estimate is not None
    with opened("openai", server) as model:
        ask_each(model, questions)
    assert cost.estimate.askings == len(server.received) == 9
    characters = sum(len(turn["content"]) for request in server.received for turn in request.body["messages"])
    assert cost.estimate.prompt_tokens >= characters / 4
    assert cost.estimate.answer_tokens == 2 * 12 + 2 * 40 + 32 + 4 * 40


def test_stand_ins_have_the_fields_of_samples() -> None:
    (stand_in,) = WRITE.stand_ins([Sample({"label": "praise", "prompt": "Write a praise."})])
    assert set(stand_in.fields) == {"label", "prompt", "text", "end"}
    assert len(stand_in.text("text")) == 4 * 60
