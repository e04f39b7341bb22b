from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from harness_adapter import harness_model, run

from assay.core.completions import Answer, Completion, Continuations, Likelihood, NotCompleted, TextRequest
from assay.core.decoding import Decoding
from assay.core.errors import ModelError, RecipeError, SourceError
from assay.evaluation.harness.library import decoding_of
from assay.models.open_models import Device, OpenModels
from assay.text.prompting.multiple_choice import (
    MultipleChoiceItem,
    is_right,
    mass_on_right,
    mmlu_prompt,
    truthfulqa_prompt,
)

HAS_LM_EVAL = importlib.util.find_spec("lm_eval") is not None
installed = pytest.mark.skipif(not HAS_LM_EVAL, reason="lm-evaluation-harness (lm_eval) is not installed")
DEV = [
    MultipleChoiceItem(f"What is {n} + {n}?", ("0", str(2 * n), " 1", "none"), frozenset({1}), "adding_up")
    for n in range(1, 6)
]
TEST = [
    MultipleChoiceItem("  What is 7 + 7?\n", ("14", "15", "16", "17"), frozenset({0}), "adding_up"),
    MultipleChoiceItem(
        "Which word is longer?", ("hippopotamus", "a", "an", "the whole of it"), frozenset({3}), "adding_up"
    ),
]
SHARED_TASK = {
    "dataset_path": "json",
    "output_type": "multiple_choice",
    "test_split": "test",
    "metric_list": [{"metric": "acc"}, {"metric": "acc_norm"}],
}


class EchoModel:
    """Repeats the prompt; a shorter continuation is more probable."""

    def __init__(self) -> None:
        self.requests: list[TextRequest] = []

    def complete(self, requests: Sequence[TextRequest]) -> list[Completion | NotCompleted]:
        self.requests += requests
        return [
            NotCompleted("context", "too long")
            if request.prompt == "long"
            else Completion((Answer(f"{request.prompt}!", "stop"),))
            for request in requests
        ]

    def likelihoods(self, asked: Sequence[Continuations]) -> list[tuple[Likelihood, ...] | NotCompleted]:
        return [
            NotCompleted("context", "too long")
            if request.prompt == "long"
            else tuple(Likelihood(-float(len(text)), 1, greedy=len(text) < 3) for text in request.texts)
            for request in asked
        ]


def loader_of(model: Any) -> Any:
    return SimpleNamespace(text_model=lambda reference: model, stepped_model=lambda reference: model)


def instances(*arguments: tuple[Any, ...]) -> list[Any]:
    return [SimpleNamespace(args=args) for args in arguments]


def test_arguments_of_a_task_become_a_decoding() -> None:
    assert decoding_of({}) == Decoding(max_tokens=256)
    assert decoding_of({"until": "\n", "do_sample": False, "temperature": 0.0, "top_p": 0.9, "max_gen_toks": 9}, 3) == (
        Decoding(stop=("\n",), max_tokens=9)
    )
    assert decoding_of({"until": ["Q:", "", "</s>"], "temperature": 0.7, "max_new_tokens": 5}, 3) == (
        Decoding("sample", temperature=0.7, stop=("Q:", "</s>"), max_tokens=5, seed=3)
    )
    assert decoding_of({"do_sample": True, "top_k": 5, "min_p": None}) == Decoding("sample", top_k=5)
    assert decoding_of({"num_beams": 4, "length_penalty": 0.5}) == Decoding("beam", beams=4, length_penalty=0.5)


@pytest.mark.parametrize(
    ("arguments", "term"),
    [
        ({"max_length": 9}, "'max_length'"),
        ({"topp": 0.9}, "'top_p'"),
        ({"do_sample": True, "temperature": 0.0}, "Decoding.temperature"),
        ({"do_sample": True, "num_beams": 2}, "beam sampling"),
        ({"max_gen_toks": 0}, "Decoding.max_tokens"),
    ],
)
def test_unsupported_decoding_arguments_are_errors(arguments: dict[str, Any], term: str) -> None:
    with pytest.raises(ModelError) as caught:
        decoding_of(arguments)
    assert term in str(caught.value)


def test_lm_eval_is_not_imported_before_a_task_runs() -> None:
    modules = "assay.evaluation.harness.library, assay.text.prompting.multiple_choice"
    code = f"import sys, {modules}; assert 'lm_eval' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.skipif(HAS_LM_EVAL, reason="lm-evaluation-harness (lm_eval) is installed")
def test_without_the_library_the_error_names_the_extra() -> None:
    with pytest.raises(RecipeError, match=r"pip install 'assay\[harness\]'"):
        run("embedded:smollm2", ["mmlu"], OpenModels())


@installed
def test_requests_are_answered_in_order() -> None:
    model = EchoModel()
    lm = harness_model("parrot", loader_of(model))
    assert lm.loglikelihood(instances(("a", " xyz"), ("b", " x"), ("a", " x"), ("a", " xyz"))) == [
        (-4.0, False), (-2.0, True), (-2.0, True), (-4.0, False),
    ]  # fmt: skip
    assert lm.loglikelihood_rolling(instances(("abc",), ("",), ("abcd",))) == [-3.0, 0.0, -4.0]
    sampled = {"do_sample": True, "until": ["."]}
    assert lm.generate_until(instances(("a", sampled), ("b", {}), ("a", sampled))) == ["a!", "b!", "a!"]
    assert [request.decoding.seed for request in model.requests] == [0, 0, 1]
    for method, args in ((lm.loglikelihood, ("long", " x")), (lm.generate_until, ("long", {}))):
        with pytest.raises(ModelError, match="too long"):
            method(instances(("a", args[1]), args))
    assert lm.loglikelihood([]) == []


@installed
def test_error_names_a_model_without_likelihoods() -> None:
    with pytest.raises(ModelError, match="'mute'"):
        harness_model("mute", loader_of(SimpleNamespace())).loglikelihood(instances(("a", " b")))


@pytest.fixture(scope="module")
def tasks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The harness task files of MMLU and TruthfulQA on local data, and a small generation task."""
    import yaml

    folder = tmp_path_factory.mktemp("tasks")
    lm_eval = Path(str(importlib.util.find_spec("lm_eval").submodule_search_locations[0]))  # type: ignore[union-attr,index]
    data = {"cache_dir": str(folder / "cache")}

    def rows(name: str, content: Sequence[object]) -> str:
        (folder / name).write_text("\n".join(map(json.dumps, content)), encoding="utf-8")
        return str(folder / name)

    def mmlu(items: Sequence[MultipleChoiceItem]) -> list[object]:
        return [
            {
                "question": item.question, "choices": list(item.choices), "answer": min(item.right),
                "subject": item.subject,
            }
            for item in items
        ]  # fmt: skip

    template = yaml.safe_load((lm_eval / "tasks/mmlu/default/_default_template_yaml").read_text(encoding="utf-8"))
    files = {"dev": rows("dev.jsonl", mmlu(DEV)), "test": rows("test.jsonl", mmlu(TEST))}
    template |= {
        "task": "here_mmlu",
        "description": "The following are multiple choice questions (with answers) about adding up.\n\n",
        "dataset_path": "json", "dataset_kwargs": {**data, "data_files": files}, "num_fewshot": 5,
    }  # fmt: skip
    (folder / "mmlu.yaml").write_text(yaml.safe_dump(template), encoding="utf-8")
    words = (lm_eval / "tasks/truthfulqa/truthfulqa_mc1.yaml").read_text(encoding="utf-8")
    truthful = yaml.safe_load(words) | {"task": "here_truthful", "dataset_path": "json", "tag": []}
    targets = {"choices": list(TEST[1].choices), "labels": [1, 1, 0, 0]}
    file = rows("truthful.jsonl", [{"question": "Why?", "mc1_targets": targets, "mc2_targets": targets}])
    truthful |= {"dataset_kwargs": {**data, "data_files": {"validation": file}}}
    truthful.pop("dataset_name")
    (folder / "truthful.yaml").write_text(yaml.safe_dump(truthful), encoding="utf-8")
    generated = {
        "task": "here_count", "dataset_path": "json", "output_type": "generate_until", "test_split": "test",
        "dataset_kwargs": {**data, "data_files": {"test": rows("count.jsonl", [{"q": "1, 2, 3,", "a": "4"}])}},
        "doc_to_text": "{{q}}", "doc_to_target": "{{a}}", "metric_list": [{"metric": "exact_match"}],
        "generation_kwargs": {"until": [","], "max_gen_toks": 8, "do_sample": False},
    }  # fmt: skip
    (folder / "count.yaml").write_text(yaml.safe_dump(generated), encoding="utf-8")
    return folder


def samples_of(results: Any, task: str) -> list[dict[str, Any]]:
    return sorted(results["samples"][task], key=lambda sample: int(sample["doc_id"]))


@installed
def test_prompts_of_the_harness_equal_ours(tasks: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    models = OpenModels(Device(device="cpu"))
    names = ["here_mmlu", "here_truthful", "here_count"]
    results = run("transformers:embedded:smollm2", names, models, include_path=str(tasks))
    assert results["config"]["model_reference"] == "transformers:embedded:smollm2"
    accuracy = []
    for sample, item in zip(samples_of(results, "here_mmlu"), TEST, strict=True):
        arguments = sample["arguments"]
        if isinstance(arguments, list):
            pairs = [tuple(pair) for pair in arguments]
        else:
            pairs = [(pair["arg_0"], pair["arg_1"]) for pair in arguments.values()]
        assert pairs == [(mmlu_prompt(item, DEV), f" {letter}") for letter in "ABCD"]
        likelihoods = [Likelihood(float(response[0]), 1) for response in sample["filtered_resps"]]
        accuracy.append(is_right(item, likelihoods, "letter"))
    assert results["results"]["here_mmlu"]["acc,none"] == sum(accuracy) / len(accuracy)
    (sample,) = samples_of(results, "here_truthful")
    first = sample["arguments"]
    prompt = first[0][0] if isinstance(first, list) else first["gen_args_0"]["arg_0"]
    item = MultipleChoiceItem("Why?", TEST[1].choices, frozenset({0, 1}))
    assert prompt == truthfulqa_prompt(item)
    from lm_eval.tasks.truthfulqa.utils import process_results_mc2

    likelihoods = [Likelihood(float(response[0]), 1) for response in sample["filtered_resps"]]
    theirs = process_results_mc2(sample["doc"], [(likelihood.log_prob, False) for likelihood in likelihoods])["acc"]
    assert mass_on_right(item, likelihoods) == pytest.approx(theirs)
    assert samples_of(results, "here_count")[0]["resps"][0][0].strip() == "4"


@installed
def test_likelihoods_equal_those_of_the_harness() -> None:
    from lm_eval.models.huggingface import HFLM

    models = OpenModels(Device(device="cpu"))
    model: Any = models.stepped_model("embedded:smollm2")
    theirs = HFLM(pretrained=model.model, tokenizer=model.tokenizer, batch_size=1)
    pairs = [
        ("The capital of France is", " Paris"), ("The capital of France is", " the city of Paris."),
        ("1, 2, 3, 4,", " 5, 6, 7"), ("", "Hello"), ("", "Once upon a time"), ("A space ", "behind"),
        (mmlu_prompt(TEST[0], DEV), " A"), (mmlu_prompt(TEST[1], DEV), " D"),
    ]  # fmt: skip
    lm = harness_model("transformers:embedded:smollm2", models)
    for ours, expected in zip(
        lm.loglikelihood(instances(*pairs)), theirs.loglikelihood(instances(*pairs)), strict=True
    ):
        assert ours == (pytest.approx(expected[0], abs=2e-3), expected[1])
    texts = instances(("Once upon a time there was a cat.",), ("Hello",))
    assert lm.loglikelihood_rolling(texts) == pytest.approx(theirs.loglikelihood_rolling(texts), abs=2e-3)


@installed
@pytest.mark.full  # the library indexes all of its tasks twice
def test_errors_name_the_task(tasks: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    models = loader_of(EchoModel())
    with pytest.raises(RecipeError, match=r"'here_mmul'.*\n.*'here_mmlu'"):
        run("parrot", ["here_mmul"], models, include_path=str(tasks))
    with pytest.raises(RecipeError, match="none"):
        run("parrot", ["here_mmlu"], models, include_path=str(tasks / "none"))
    (tasks / "test.jsonl").unlink()
    with pytest.raises(SourceError, match="here_mmlu"):
        run("parrot", ["here_mmlu"], models, include_path=str(tasks))
