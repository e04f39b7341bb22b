"""vLLM as a backend.

Tests with the real library run where it is installed, on a GPU or in its build for a CPU. Tests with a stand-in of its
classes run everywhere: they test the conversion of its answers, and not that vLLM gives such answers.
"""

from __future__ import annotations

import importlib.util
import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from transformers import AutoTokenizer

from assay.core.completions import Answer, Completion, Message, NotCompleted, TextRequest
from assay.core.decoding import Decoding
from assay.core.errors import ModelError
from assay.core.model_kinds import TextModel
from assay.models.loading import Device, ModelRequest, Placement
from assay.models.references import Checkpoint, locate
from assay.models.registry import BACKENDS, open_model
from assay.models.text import vllm_model as text_vllm
from assay.models.text.gguf import F16_FILE
from assay.models.text.requests import answer_seed
from assay.models.text.vllm_model import (
    VllmText,
    beam_arguments,
    check_placement,
    engine_arguments,
    open_vllm,
    sampling_arguments,
)
from error_fields import raises

INSTALLED = importlib.util.find_spec("vllm") is not None
REAL = pytest.mark.skipif(not INSTALLED, reason="vllm is not installed")
DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
DECODINGS = (
    Decoding(repetition_penalty=1.3, stop=("a", "b"), max_tokens=7),
    Decoding("sample", temperature=0.7, top_k=50, top_p=0.9, answers=3, seed=5),
    Decoding("sample", min_p=0.1, seed=2**63 - 1),
)
BEAMS = Decoding("beam", beams=3, answers=2, length_penalty=0.5)


def chat_request(text: str, **decoding: object) -> TextRequest:
    return TextRequest((Message("user", text),), Decoding(**{"max_tokens": 16, **decoding}), True)  # type: ignore[arg-type]


def test_arguments_of_each_answer() -> None:
    (greedy,) = sampling_arguments(DECODINGS[0])
    assert (greedy["temperature"], greedy["stop"], greedy["repetition_penalty"]) == (0.0, ["a", "b"], 1.3)
    sampled = sampling_arguments(DECODINGS[1])
    assert [arguments["seed"] for arguments in sampled] == [answer_seed(5, nth) for nth in range(3)]
    assert {
        (arguments["temperature"], arguments["top_k"], arguments["top_p"], arguments["min_p"]) for arguments in sampled
    } == {(0.7, 50, 0.9, 0.0)}
    assert beam_arguments(BEAMS) == {"beam_width": 3, "max_tokens": 256, "length_penalty": 0.5}


@REAL
def test_vllm_accepts_every_argument_unchanged() -> None:
    from vllm import EngineArgs, SamplingParams
    from vllm.sampling_params import BeamSearchParams

    for arguments in [arguments for decoding in DECODINGS for arguments in sampling_arguments(decoding)]:
        params = SamplingParams(**arguments)
        assert {name: getattr(params, name) for name in arguments} == arguments
    params = BeamSearchParams(**beam_arguments(BEAMS))
    assert {name: getattr(params, name) for name in beam_arguments(BEAMS)} == beam_arguments(BEAMS)
    assert set(engine_arguments("folder", "float32")) <= {field.name for field in fields(EngineArgs)}


@pytest.mark.parametrize(
    ("device", "installed", "reference", "chosen"),
    [
        ("cuda", True, "folder", "vllm"),
        ("cuda:0", True, "org/name", "vllm"),
        ("cuda:1", True, "folder", "transformers"),
        ("cuda", False, "folder", "transformers"),
        ("cuda", True, "unpacked", "transformers"),
        ("cpu", True, "folder", "transformers"),
    ],
)
def test_default_backend_by_device_and_reference(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, device: str, installed: bool, reference: str, chosen: str
) -> None:
    monkeypatch.setattr(text_vllm, "available", lambda: installed)
    (tmp_path / "unpacked").mkdir()
    (tmp_path / "unpacked" / F16_FILE).touch()
    checkpoint = Checkpoint(reference, str(tmp_path / reference), None if "/" in reference else ())
    request: Any = SimpleNamespace(checkpoint=checkpoint, placement=Placement(device, "bfloat16"))
    rows = [backend for backend in BACKENDS if backend.kind == "text-model" and backend.accepts(request)]
    assert rows[0].name == chosen


def test_missing_vllm_and_wrong_device(monkeypatch: pytest.MonkeyPatch) -> None:
    if not INSTALLED:
        with pytest.raises(ModelError, match=r"pip install \"assay\[vllm\]\""):
            open_model("text-model", "vllm:embedded:smollm2", Device(device="cpu"))
    monkeypatch.setattr(text_vllm, "available", lambda: True)
    with pytest.raises(ModelError, match="'cuda:1'"):
        check_placement(Placement("cuda:1", "bfloat16"))
    with pytest.raises(ModelError, match="BertModel"):
        open_vllm(ModelRequest("embedded:minilm", Device(device="cpu")))
    for platform_device, device in (("cuda", "cpu"), ("", "cuda"), ("cpu", "cuda")):
        platforms = ModuleType("vllm.platforms")
        platforms.current_platform = SimpleNamespace(device_type=platform_device)  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, "vllm", ModuleType("vllm"))
        monkeypatch.setitem(sys.modules, "vllm.platforms", platforms)
        with pytest.raises(ModelError, match=f"{platform_device or 'no device'}.*'{device}'"):
            check_placement(Placement(device, "float32"))


@dataclass
class StandIn:
    """Answers with the last two tokens of a prompt; gives up where the prompt holds `broken`."""

    broken: int = -1
    model_config: Any = None

    def generate(self, prompts: Sequence[dict[str, Any]], params: Sequence[dict[str, Any]], use_tqdm: bool) -> Any:
        assert len(prompts) == len(params) > 0
        return [
            self._output(prompt["prompt_token_ids"], arguments)
            for prompt, arguments in zip(prompts, params, strict=True)
        ]

    def beam_search(self, prompts: Sequence[dict[str, Any]], params: dict[str, Any]) -> Any:
        outputs = []
        for prompt in prompts:
            ids = prompt["prompt_token_ids"]
            ends = [
                SimpleNamespace(tokens=[*ids, ids[-1], *[2] * (nth == 0)], cum_logprob=-1.0 - nth, finish_reason=None)
                for nth in range(params["beam_width"])
            ]
            outputs.append(SimpleNamespace(sequences=ends))
        return outputs

    def _output(self, ids: list[int], params: dict[str, Any]) -> Any:
        steps = [{token: SimpleNamespace(logprob=-0.5), 0: SimpleNamespace(logprob=-9.0)} for token in ids]
        reason = "abort" if self.broken in ids else "length"
        output = SimpleNamespace(token_ids=ids[-2:], logprobs=steps[-2:], finish_reason=reason)
        return SimpleNamespace(outputs=[output], prompt_logprobs=[None, *steps[1:]])


@pytest.fixture
def stand_in_model(monkeypatch: pytest.MonkeyPatch) -> VllmText:
    library, inputs, params = ModuleType("vllm"), ModuleType("vllm.inputs"), ModuleType("vllm.sampling_params")
    library.__version_tuple__, library.SamplingParams = (0, 33), dict  # type: ignore[attr-defined]
    inputs.TokensPrompt, params.BeamSearchParams = dict, dict  # type: ignore[attr-defined]
    for module in (library, inputs, params):
        monkeypatch.setitem(sys.modules, module.__name__, module)
    folder = locate("embedded:smollm2").location
    tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    config = SimpleNamespace(max_model_len=64, try_get_generation_config=lambda: {"eos_token_id": 2})
    return VllmText(StandIn(broken=tokenizer("zebra")["input_ids"][0], model_config=config), tokenizer, "stand-in")


def test_answers_are_in_the_order_of_the_requests(stand_in_model: VllmText) -> None:
    prompts = ("one two three four", "word " * 99, "red green blue", "up and down", "left or right")
    decodings = (
        Decoding(max_tokens=2),
        Decoding(max_tokens=2),
        Decoding("sample", answers=3, max_tokens=2),
        Decoding("beam", beams=3, answers=2, max_tokens=2),
        Decoding(max_tokens=2, stop=(" right",)),
    )
    requests = [TextRequest(prompt, decoding) for prompt, decoding in zip(prompts, decodings, strict=True)]
    first, long, three, beam, stopped = stand_in_model.complete(requests)
    assert first == Completion((Answer(" three four", "length", 2, -1.0),), 4)
    assert isinstance(long, NotCompleted)
    assert long.lack == "context"
    assert re.search(r"\bcontext .*\b64\b", long.reason)
    assert three == Completion((Answer(" green blue", "length", 2, -1.0),) * 3, 3)
    assert beam == Completion((Answer(" down", "stop", 2, -1.0), Answer(" down", "length", 1, -2.0)), 3)
    assert stopped == Completion((Answer(" or", "stop", 2, -1.0),), 3)
    assert stand_in_model.complete([]) == []


def test_aborted_answer_is_a_failure_of_its_request_only(stand_in_model: VllmText) -> None:
    decoding = Decoding("sample", answers=2, max_tokens=2)
    broken, whole = stand_in_model.complete(
        [TextRequest("zebra crossing", decoding), TextRequest("red green blue", decoding)]
    )
    assert isinstance(broken, NotCompleted)
    assert broken.lack == "broken"
    assert isinstance(whole, Completion)


def test_the_first_token_of_a_text_has_no_probability(stand_in_model: VllmText) -> None:
    empty, single, three = stand_in_model.log_probs(["", "red", "red green blue"])
    assert (empty.values, single.values, three.values) == ((), (None,), (None, -0.5, -0.5))
    with raises(ModelError, model="stand-in", limit=63):
        stand_in_model.log_probs(["word " * 99])


@pytest.mark.parametrize(
    ("decoding", "why"),
    [
        (Decoding("sample", temperature=3.0), "0.01 to 2"),
        (Decoding("sample", temperature=0.005), "0.01 to 2"),
        (Decoding("sample", top_p=0.9, min_p=0.1), "top_p .*min_p"),
        (Decoding("beam", beams=2, stop=("x",)), "stop"),
    ],
)
def test_unsupported_values_are_rejected(stand_in_model: VllmText, decoding: Decoding, why: str) -> None:
    with pytest.raises(ModelError, match=why):
        stand_in_model.complete([TextRequest("fine"), TextRequest("not fine", decoding)])


@pytest.fixture(scope="module")
def vllm() -> Iterator[TextModel]:
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("VLLM_CPU_KVCACHE_SPACE", "1")
        model = open_model("text-model", "vllm:embedded:smollm2", Device(device=DEVICE, dtype="float32"))
        assert isinstance(model, VllmText)
        yield model


@pytest.fixture(scope="module")
def transformers() -> TextModel:
    return open_model("text-model", "transformers:embedded:smollm2", Device(device=DEVICE, dtype="float32"))


@REAL
@pytest.mark.full
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    "decoding",
    [
        {},
        {"repetition_penalty": 1.3},
        {"stop": (",",)},
        {"stop": ("blue", "e, ")},
        {"strategy": "beam", "beams": 3, "answers": 2},
    ],
    ids=["greedy", "penalty", "stop", "stops", "beam"],
)
def test_deterministic_decodings_agree(vllm: TextModel, transformers: TextModel, decoding: dict[str, object]) -> None:
    if decoding.get("strategy", "greedy") not in vllm.means.strategies:
        pytest.skip("this vllm counts the prompt in the length of a beam")
    requests = [chat_request(question, **decoding) for question in ("Name three rivers.", "What is two plus two?")]
    for actual, expected in zip(vllm.complete(requests), transformers.complete(requests), strict=True):
        assert isinstance(actual, Completion)
        assert isinstance(expected, Completion)
        assert actual.prompt_tokens == expected.prompt_tokens
        for answer, expected_answer in zip(actual.answers, expected.answers, strict=True):
            assert (answer.text, answer.end, answer.tokens) == (
                expected_answer.text,
                expected_answer.end,
                expected_answer.tokens,
            )
            assert answer.log_prob == pytest.approx(expected_answer.log_prob, abs=0.05)


@REAL
@pytest.mark.full
@pytest.mark.filterwarnings("ignore")
def test_log_probabilities_are_those_of_transformers(vllm: TextModel, transformers: TextModel) -> None:
    texts = ("The capital of France is Paris.", "안녕하세요, 세계!", "No end: <|im_end|> of it.", "x", "")
    for actual, expected in zip(vllm.log_probs(texts), transformers.log_probs(texts), strict=True):
        assert actual.tokens == expected.tokens
        assert actual.values[:1] == expected.values[:1]
        assert np.allclose(actual.values[1:], expected.values[1:], atol=0.02)


@REAL
@pytest.mark.full
@pytest.mark.filterwarnings("ignore")
def test_log_probs_ignore_temperature_and_truncation(vllm: TextModel, transformers: TextModel) -> None:
    request = chat_request(
        "Name a river.", strategy="sample", temperature=1.7, top_k=20, answers=3, seed=5, max_tokens=8
    )
    (first,), (again,) = vllm.complete([request]), vllm.complete([request])
    assert isinstance(first, Completion)
    assert first == again
    assert len({answer.text for answer in first.answers}) == 3
    (greedy,) = vllm.complete(
        [chat_request("Name a river.", strategy="sample", temperature=1.7, top_k=1, max_tokens=8)]
    )
    (same,) = transformers.complete([chat_request("Name a river.", max_tokens=8)])
    assert isinstance(greedy, Completion)
    assert isinstance(same, Completion)
    assert greedy.answers[0].text == same.answers[0].text
    assert greedy.answers[0].log_prob == pytest.approx(same.answers[0].log_prob, abs=0.05)


@REAL
@pytest.mark.full
@pytest.mark.filterwarnings("ignore")
def test_context_overflow_does_not_fail_other_requests(vllm: TextModel) -> None:
    long = TextRequest("word " * 9000, Decoding(max_tokens=4))
    first, second, empty = vllm.complete(
        [long, chat_request("Why?", max_tokens=4), TextRequest("", Decoding(max_tokens=2))]
    )
    assert isinstance(first, NotCompleted)
    assert first.lack == "context"
    assert isinstance(second, Completion)
    assert isinstance(empty, Completion)
    assert empty.prompt_tokens == 1
