"""Tasks of lm-evaluation-harness as cells: its own metric values, from stored answers."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml
from harness_adapter import harness_model

from assay.core.completions import (
    Answer,
    Capabilities,
    Completion,
    Continuations,
    Likelihood,
    NotCompleted,
    TextRequest,
)
from assay.core.decoding import Decoding
from assay.core.errors import ModelError, RecipeError, SourceError, UserError
from assay.core.score import Score, Unscored
from assay.evaluation.plan import EvalCell, EvalTask, cells, parse_prompt_setup
from assay.evaluation.results import comparisons, result, to_data
from assay.evaluation.run import EvaluatedCell, Evaluation
from assay.evaluation.tasks import parse_task
from assay.store.run_folder import RunFolder
from labs import TinyModels

HAS_LM_EVAL = importlib.util.find_spec("lm_eval") is not None
installed = pytest.mark.skipif(not HAS_LM_EVAL, reason="lm-evaluation-harness (lm_eval) is not installed")
SUMS = [{"q": f"What is {n} + {n}?", "c": [str(2 * n), f"{2 * n + 1} or so", "no"], "a": 0} for n in range(1, 10)]
EXAMPLES = [{"q": f"What is {n} + 1?", "c": [str(n + 1), str(n), "no"], "a": 0} for n in range(1, 6)]


@dataclass
class HashModel:
    """Answers and likelihoods by a hash of name and prompt; "9 + 9" exceeds the context if `down`."""

    name: str = "a"
    down: bool = False
    prompts: list[str] = field(default_factory=list)
    seeds: list[int] = field(default_factory=list)
    means = Capabilities()

    def complete(self, requests: Sequence[TextRequest]) -> list[Completion | NotCompleted]:
        return [self._complete_one(request) for request in requests]

    def likelihoods(self, asked: Sequence[Continuations]) -> list[tuple[Likelihood, ...] | NotCompleted]:
        return [self._likely(request) for request in asked]

    def _likely(self, request: Continuations) -> tuple[Likelihood, ...] | NotCompleted:
        self.prompts.append(str(request.prompt))
        if self.down and "9 + 9" in str(request.prompt):
            return NotCompleted("context", "too long")
        return tuple(Likelihood(-self._draw(f"{request.prompt}{text}") / 10, 1, greedy=False) for text in request.texts)

    def _complete_one(self, request: TextRequest) -> Completion:
        prompt = str(request.prompt)
        self.prompts.append(prompt)
        self.seeds.append(request.decoding.seed)
        number = int(prompt.split("What is ")[-1].split(" ")[0])
        text = (f"{2 * number}", f"It is {2 * number}.", "no idea")[self._draw(prompt) % 3]
        return Completion((Answer(text, "stop", 4),), 9, 0.5)

    def _draw(self, text: str) -> int:
        return int(hashlib.sha256(f"{self.name}{text}".encode()).hexdigest()[:4], 16) % 100


@dataclass(frozen=True)
class HashModels(TinyModels):
    models: dict[str, HashModel] = field(default_factory=dict)

    def text_model(self, reference: str) -> HashModel:
        return self.models[reference]

    likelihood_model = text_model


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Task files on local data: multiple choice, generation with two filters, and groups."""
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    place = tmp_path / "tasks"
    place.mkdir()
    for name, rows in (("test", SUMS), ("dev", EXAMPLES)):
        (place / f"{name}.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    files = {name: str(place / f"{name}.jsonl") for name in ("test", "dev")}
    common = {
        "dataset_path": "json", "dataset_kwargs": {"cache_dir": str(place / "cache"), "data_files": files},
        "test_split": "test", "doc_to_text": "{{q}}\nA:",
    }  # fmt: skip
    choices = {
        "output_type": "multiple_choice", "fewshot_split": "dev", "doc_to_choice": "{{c}}", "doc_to_target": "{{a}}",
        "metric_list": [{"metric": "acc"}, {"metric": "acc_norm"}],
    }  # fmt: skip
    generated = {
        "output_type": "generate_until", "doc_to_target": "{{c[0]}}", "metric_list": [{"metric": "exact_match"}],
        "generation_kwargs": {"until": ["\n"], "do_sample": True, "temperature": 0.5}, "repeats": 2,
        "filter_list": [
            {"name": "strict", "filter": [{"function": "take_first"}]},
            {"name": "number", "filter": [
                {"function": "regex", "regex_pattern": "(\\d+)"}, {"function": "majority_vote"},
                {"function": "take_first"},
            ]},
        ],
    }  # fmt: skip
    whole = {"output_type": "loglikelihood_rolling", "doc_to_target": "{{q}}"}
    for name, fields in {
        "choices": choices,
        "first": {**choices, "num_fewshot": 0},
        "second": {**choices, "num_fewshot": 3, "metric_list": [{"metric": "acc_norm"}, {"metric": "acc"}]},
        "written": generated,
        "whole": {**whole, "metric_list": [{"metric": "word_perplexity"}]},
        "some": {**choices, "metric_list": [{"metric": "f1", "aggregation": "f1"}, {"metric": "acc"}]},
        "broken": {**choices, "doc_to_choice": "{{nowhere.at.all}}"},
        "itself": {**choices, "fewshot_split": None},
    }.items():
        content = yaml.safe_dump({"task": f"here_{name}", **common, **fields})
        (place / f"{name}.yaml").write_text(content, encoding="utf-8")
    for name, own_tasks in (
        ("group", ["here_first", "here_second"]),
        ("mixed", ["here_first", "here_written"]),
    ):
        content = yaml.safe_dump({"group": f"here_{name}", "task": own_tasks})
        (place / f"{name}.yaml").write_text(content, encoding="utf-8")
    return place


def task_of(folder: Path, name: str, limit: int | None = None) -> EvalTask:
    return parse_task(f"harness:{folder / name}.yaml", limit)


def run(folder: Path, grid: Sequence[EvalCell], *models: HashModel) -> list[EvaluatedCell]:
    loader = HashModels({model.name: model for model in models})
    return Evaluation(grid, RunFolder.open(folder / "run", create=True), loader).run()


def harness_results(folder: Path, name: str, model: HashModel, shots: int | None = None) -> dict[str, Any]:
    """Results of the harness for the same model."""
    import lm_eval
    from lm_eval.tasks import TaskManager

    output = lm_eval.simple_evaluate(
        model=harness_model(model.name, HashModels({model.name: model})),  # type: ignore[arg-type]
        tasks=[name],
        num_fewshot=shots,
        task_manager=TaskManager(include_path=str(folder), include_defaults=False),
        bootstrap_iters=0,
    )
    results: dict[str, Any] = output["results"][name]
    return results


@installed
def test_accuracy_equals_that_of_the_harness_and_metrics_share_answers(folder: Path) -> None:
    task = task_of(folder, "choices")
    setups = [parse_prompt_setup("zero-shot"), parse_prompt_setup("few-shot:2")]
    model = HashModel()
    entries = run(folder, cells(["a"], [task], setups, metrics=["acc", "acc_norm"]), model)
    assert len(set(model.prompts)) == len(model.prompts) == 2 * len(SUMS)
    by_shots = {shots: harness_results(folder, "here_choices", HashModel(), shots) for shots in (0, 2)}
    for entry in entries:
        cell_result = result(entry)
        assert cell_result.accuracy is not None
        assert cell_result.accuracy.estimate == by_shots[entry.cell.setup.shots][f"{entry.cell.metric.name},none"]
        assert (cell_result.n, cell_result.scored) == (9, 9)
        assert (cell_result.kind, cell_result.accuracy.method) == ("proportion", "wilson")
        assert cell_result.chance == pytest.approx(1 / 3)
    assert {pair.what for pair in comparisons(entries)} == {"prompt"}

    before = len(model.prompts)
    run(folder, cells(["a"], [task_of(folder, "choices")], setups, metrics=["acc_norm"]), model)
    assert len(model.prompts) == before


@installed
def test_generated_answers_are_filtered_and_graded_by_the_task(folder: Path) -> None:
    task = task_of(folder, "written")
    assert [metric.name for metric in task.metrics] == ["exact_match,strict", "exact_match,number"]
    model = HashModel()
    entries = run(folder, cells(["a"], [task], metrics=["exact_match", "exact_match,number"]), model)
    results = [result(entry) for entry in entries]
    expected = harness_results(folder, "here_written", HashModel())
    for cell_result in results:
        assert cell_result.accuracy is not None
        assert cell_result.accuracy.estimate == expected[cell_result.cell.metric.name]
    assert results[0].accuracy != results[1].accuracy
    # Two samples per document, each with its own seed; tokens and dollars cover both.
    assert len(set(model.seeds)) == 2 * len(SUMS)
    assert (results[0].tokens, results[0].dollars, results[0].chance) == (2 * 9 * 4, 2 * 9 * 0.5, None)


@installed
def test_failed_document_is_excluded_and_asked_again(folder: Path) -> None:
    grid = cells(["a", "b"], [task_of(folder, "choices")])
    model, other = HashModel("a", down=True), HashModel("b")
    entries = run(folder, grid, model, other)
    cell_result = result(entries[0])
    assert [type(outcome) for outcome in entries[0].outcomes] == [Score] * 8 + [Unscored]
    assert (cell_result.n, cell_result.scored, cell_result.failed) == (9, 8, 1)
    assert cell_result.failure == "context: too long"
    (compared,) = comparisons(entries)
    assert (compared.n, compared.what) == (8, "model")
    json.dumps(to_data([result(entry) for entry in entries], [compared]), allow_nan=False)

    model.prompts.clear()
    model.down = False
    assert result(run(folder, grid, model, other)[0]).failed == 0
    assert model.prompts == ["What is 9 + 9?\nA:"]


@installed
def test_group_has_a_macro_average_over_its_tasks(folder: Path) -> None:
    task = task_of(folder, "group", 4)
    assert task.name == "harness:here_group"
    model = HashModel()
    (entry,) = run(folder, cells(["a"], [task]), model)
    cell_result = result(entry)
    assert entry.cell.metric.name == "acc"
    assert cell_result.subjects is not None
    assert (cell_result.n, cell_result.subjects.groups) == (8, 2)
    # Each task keeps its configured number of examples.
    assert [prompt.count("A:") for prompt in model.prompts] == [1] * 4 + [4] * 4


@installed
def test_changed_prompts_invalidate_stored_answers(folder: Path) -> None:
    model = HashModel()
    run(folder, cells(["a"], [task_of(folder, "choices", 2)]), model)
    file = folder / "choices.yaml"
    file.write_text(file.read_text(encoding="utf-8").replace("A:", "Answer:"), encoding="utf-8")
    run(folder, cells(["a"], [task_of(folder, "choices", 2)]), model)
    assert [prompt.split("\n")[-1] for prompt in model.prompts] == ["A:"] * 2 + ["Answer:"] * 2


@installed
def test_metrics_that_are_not_means_over_documents_are_an_error(folder: Path) -> None:
    with pytest.raises(RecipeError, match=r"here_whole.*word_perplexity"):
        task_of(folder, "whole")
    some = task_of(folder, "some")
    (cell,) = cells(["a"], [some])
    assert cell.metric.name == "acc"
    assert re.search(r"\bnot supported\b.*: f1\b", cell.metric.description)
    with pytest.raises(UserError, match=r"f1 of harness:here_some.*\bacc\b"):
        cells(["a"], [some], metrics=["f1"])
    with pytest.raises(RecipeError, match="here_mixed"):
        task_of(folder, "mixed")


@installed
def test_errors_are_raised_before_any_model_is_called(folder: Path) -> None:
    choices = task_of(folder, "choices", 1)
    with pytest.raises(SourceError, match=r"none\.yaml"):
        task_of(folder, "none")
    with pytest.raises(RecipeError, match="UndefinedError"):
        task_of(folder, "broken")
    with pytest.raises(UserError, match="harness:here_choices"):
        cells(["a"], [choices], decodings=[Decoding()])
    with pytest.raises(UserError, match="'zero-shot-cot'"):
        cells(["a"], [choices], [parse_prompt_setup("zero-shot-cot")])
    with pytest.raises(UserError, match=r"'accc'.*\n.*'acc'"):
        cells(["a"], [choices], metrics=["accc"])
    model = HashModel()
    for name, shots, pattern in (
        ("first", 2, "here_first"),
        ("itself", 2, "here_itself"),
        ("choices", 6, "harness:here_choices"),
    ):
        with pytest.raises(UserError, match=pattern):
            run(folder, cells(["a"], [task_of(folder, name)], [parse_prompt_setup(f"few-shot:{shots}")]), model)
    assert model.prompts == []


@installed
def test_an_unsupported_decoding_argument_is_named(folder: Path) -> None:
    file = folder / "written.yaml"
    file.write_text(file.read_text(encoding="utf-8").replace("temperature", "heat"), encoding="utf-8")
    with pytest.raises(ModelError, match="'heat'"):
        run(folder, cells(["a"], [task_of(folder, "written")]), HashModel())


@pytest.mark.skipif(HAS_LM_EVAL, reason="lm-evaluation-harness (lm_eval) is installed")
def test_without_the_library_the_error_names_the_extra() -> None:
    with pytest.raises(RecipeError, match=r"pip install 'assay\[harness\]'"):
        parse_task("harness:arc_easy", None)
