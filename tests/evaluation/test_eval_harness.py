"""Tasks of lm-evaluation-harness as cells: its own numbers, from answers that are kept."""

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

HERE = importlib.util.find_spec("lm_eval") is not None
installed = pytest.mark.skipif(not HERE, reason="lm-evaluation-harness (lm_eval) is not installed")
SUMS = [{"q": f"What is {n} + {n}?", "c": [str(2 * n), f"{2 * n + 1} or so", "no"], "a": 0} for n in range(1, 10)]
EXAMPLES = [{"q": f"What is {n} + 1?", "c": [str(n + 1), str(n), "no"], "a": 0} for n in range(1, 6)]


@dataclass
class Speaker:
    """Likes and says what a digest of the prompt and its name decide; "+ 9" is too long where it is `down`."""

    name: str = "a"
    down: bool = False
    asked: list[str] = field(default_factory=list)
    seeds: list[int] = field(default_factory=list)
    means = Capabilities()

    def complete(self, requests: Sequence[TextRequest]) -> list[Completion | NotCompleted]:
        return [self._one(request) for request in requests]

    def likelihoods(self, asked: Sequence[Continuations]) -> list[tuple[Likelihood, ...] | NotCompleted]:
        return [self._likely(one) for one in asked]

    def _likely(self, asked: Continuations) -> tuple[Likelihood, ...] | NotCompleted:
        self.asked.append(str(asked.prompt))
        if self.down and "9 + 9" in str(asked.prompt):
            return NotCompleted("context", "too long")
        return tuple(Likelihood(-self._draw(f"{asked.prompt}{one}") / 10, 1, greedy=False) for one in asked.texts)

    def _one(self, request: TextRequest) -> Completion:
        prompt = str(request.prompt)
        self.asked.append(prompt)
        self.seeds.append(request.decoding.seed)
        number = int(prompt.split("What is ")[-1].split(" ")[0])
        said = (f"{2 * number}", f"It is {2 * number}.", "no idea")[self._draw(prompt) % 3]
        return Completion((Answer(said, "stop", 4),), 9, 0.5)

    def _draw(self, text: str) -> int:
        return int(hashlib.sha256(f"{self.name}{text}".encode()).hexdigest()[:4], 16) % 100


@dataclass(frozen=True)
class Speakers(TinyModels):
    known: dict[str, Speaker] = field(default_factory=dict)

    def text_model(self, reference: str) -> Speaker:
        return self.known[reference]

    likelihood_model = text_model


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """EvalTask files on data that lies here: choices, generation with two filters, and groups of them."""
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
    chosen = {
        "output_type": "multiple_choice", "fewshot_split": "dev", "doc_to_choice": "{{c}}", "doc_to_target": "{{a}}",
        "metric_list": [{"metric": "acc"}, {"metric": "acc_norm"}],
    }  # fmt: skip
    written = {
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
    for name, own in {
        "choices": chosen,
        "first": {**chosen, "num_fewshot": 0},
        "second": {**chosen, "num_fewshot": 3, "metric_list": [{"metric": "acc_norm"}, {"metric": "acc"}]},
        "written": written,
        "whole": {**whole, "metric_list": [{"metric": "word_perplexity"}]},
        "some": {**chosen, "metric_list": [{"metric": "f1", "aggregation": "f1"}, {"metric": "acc"}]},
        "broken": {**chosen, "doc_to_choice": "{{nowhere.at.all}}"},
        "itself": {**chosen, "fewshot_split": None},
    }.items():
        (place / f"{name}.yaml").write_text(yaml.safe_dump({"task": f"here_{name}", **common, **own}), encoding="utf-8")
    for name, own_tasks in (
        ("group", ["here_first", "here_second"]),
        ("mixed", ["here_first", "here_written"]),
    ):
        content = yaml.safe_dump({"group": f"here_{name}", "task": own_tasks})
        (place / f"{name}.yaml").write_text(content, encoding="utf-8")
    return place


def task_of(folder: Path, name: str, limit: int | None = None) -> EvalTask:
    return parse_task(f"harness:{folder / name}.yaml", limit)


def run(folder: Path, chosen: Sequence[EvalCell], *speakers: Speaker) -> list[EvaluatedCell]:
    models = Speakers({one.name: one for one in speakers})
    return Evaluation(chosen, RunFolder.open(folder / "run", create=True), models).run()


def theirs(folder: Path, name: str, speaker: Speaker, shots: int | None = None) -> dict[str, Any]:
    """What the harness itself makes of the same model."""
    import lm_eval
    from lm_eval.tasks import TaskManager

    found = lm_eval.simple_evaluate(
        model=harness_model(speaker.name, Speakers({speaker.name: speaker})),  # type: ignore[arg-type]
        tasks=[name],
        num_fewshot=shots,
        task_manager=TaskManager(include_path=str(folder), include_defaults=False),
        bootstrap_iters=0,
    )
    results: dict[str, Any] = found["results"][name]
    return results


@installed
def test_numbers_are_the_harness_own_and_every_measure_reads_the_same_answers(folder: Path) -> None:
    task = task_of(folder, "choices")
    setups = [parse_prompt_setup("zero-shot"), parse_prompt_setup("few-shot:2")]
    speaker = Speaker()
    filled = run(folder, cells(["a"], [task], setups, metrics=["acc", "acc_norm"]), speaker)
    assert len(set(speaker.asked)) == len(speaker.asked) == 2 * len(SUMS)
    by_shots = {shots: theirs(folder, "here_choices", Speaker(), shots) for shots in (0, 2)}
    for one in filled:
        found = result(one)
        assert found.accuracy is not None
        assert found.accuracy.estimate == by_shots[one.cell.setup.shots][f"{one.cell.metric.name},none"]
        assert (found.n, found.scored, found.kind, found.accuracy.method) == (9, 9, "proportion", "wilson")
        assert found.chance == pytest.approx(1 / 3)
    assert {one.what for one in comparisons(filled)} == {"prompt"}

    before = len(speaker.asked)
    run(folder, cells(["a"], [task_of(folder, "choices")], setups, metrics=["acc_norm"]), speaker)
    assert len(speaker.asked) == before


@installed
def test_written_answers_are_filtered_and_graded_by_the_task(folder: Path) -> None:
    task = task_of(folder, "written")
    assert [one.name for one in task.metrics] == ["exact_match,strict", "exact_match,number"]
    speaker = Speaker()
    filled = run(folder, cells(["a"], [task], metrics=["exact_match", "exact_match,number"]), speaker)
    found = [result(one) for one in filled]
    wanted = theirs(folder, "here_written", Speaker())
    for one in found:
        assert one.accuracy is not None
        assert one.accuracy.estimate == wanted[one.cell.metric.name]
    assert found[0].accuracy != found[1].accuracy
    # Two samples a document, each with a stream of its own; tokens and dollars are all of them.
    assert len(set(speaker.seeds)) == 2 * len(SUMS)
    assert (found[0].tokens, found[0].dollars, found[0].chance) == (2 * 9 * 4, 2 * 9 * 0.5, None)


@installed
def test_a_document_without_an_answer_is_left_out_and_asked_again(folder: Path) -> None:
    chosen = cells(["a", "b"], [task_of(folder, "choices")])
    one, two = Speaker("a", down=True), Speaker("b")
    filled = run(folder, chosen, one, two)
    found = result(filled[0])
    assert [type(each) for each in filled[0].outcomes] == [Score] * 8 + [Unscored]
    assert (found.n, found.scored, found.failed, found.failure) == (9, 8, 1, "context: too long")
    (compared,) = comparisons(filled)
    assert (compared.n, compared.what) == (8, "model")
    json.dumps(to_data([result(each) for each in filled], [compared]), allow_nan=False)

    one.asked.clear()
    one.down = False
    assert result(run(folder, chosen, one, two)[0]).failed == 0
    assert one.asked == ["What is 9 + 9?\nA:"]


@installed
def test_a_group_is_many_tasks_of_the_same_weight(folder: Path) -> None:
    task = task_of(folder, "group", 4)
    assert task.name == "harness:here_group"
    speaker = Speaker()
    (filled,) = run(folder, cells(["a"], [task]), speaker)
    found = result(filled)
    assert filled.cell.metric.name == "acc"
    assert found.subjects is not None
    assert (found.n, found.subjects.groups) == (8, 2)
    # Each has its own number of examples, which nobody changed.
    assert [prompt.count("A:") for prompt in speaker.asked] == [1] * 4 + [4] * 4


@installed
def test_changed_data_or_words_are_asked_anew(folder: Path) -> None:
    speaker = Speaker()
    run(folder, cells(["a"], [task_of(folder, "choices", 2)]), speaker)
    file = folder / "choices.yaml"
    file.write_text(file.read_text(encoding="utf-8").replace("A:", "Answer:"), encoding="utf-8")
    run(folder, cells(["a"], [task_of(folder, "choices", 2)]), speaker)
    assert [prompt.split("\n")[-1] for prompt in speaker.asked] == ["A:"] * 2 + ["Answer:"] * 2


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
    speaker = Speaker()
    for name, shots, words in (
        ("first", 2, "here_first"),
        ("itself", 2, "here_itself"),
        ("choices", 6, "harness:here_choices"),
    ):
        with pytest.raises(UserError, match=words):
            run(folder, cells(["a"], [task_of(folder, name)], [parse_prompt_setup(f"few-shot:{shots}")]), speaker)
    assert speaker.asked == []


@installed
def test_an_unsupported_decoding_argument_is_named(folder: Path) -> None:
    file = folder / "written.yaml"
    file.write_text(file.read_text(encoding="utf-8").replace("temperature", "heat"), encoding="utf-8")
    with pytest.raises(ModelError, match="'heat'"):
        run(folder, cells(["a"], [task_of(folder, "written")]), Speaker())


@pytest.mark.skipif(HERE, reason="lm-evaluation-harness (lm_eval) is installed")
def test_without_the_library_the_error_names_the_extra() -> None:
    with pytest.raises(RecipeError, match=r"pip install 'assay\[harness\]'"):
        parse_task("harness:arc_easy", None)
