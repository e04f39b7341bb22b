"""Language models on a CPU by OpenVINO GenAI's continuous batching: as `TextModel`, each request with its own seed."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from assay.core.completions import Answer, Capabilities, Completion, LogProbs, NotCompleted, TextRequest, unsupported
from assay.core.errors import ModelError
from assay.models.loading import ModelRequest
from assay.models.references import GGUF
from assay.models.text.chat import cut_at, rendered, words_of
from assay.models.text.gguf import F16_FILE, is_unpacked
from assay.models.text.limits import beside_beams, check_lengths, log_probs_of, refuse, too_long

if TYPE_CHECKING:
    from assay.core.decoding import Decoding

CONTROLS = frozenset({"temperature", "top_k", "top_p", "min_p", "repetition_penalty", "length_penalty", "stop"})
AT_ONCE = 64
"""Sequences in a batch; more wait their turn."""
CACHE_GB = 2
FEW = 8
"""Sequences; where the cache runs out and some must wait, more than that are never down to one."""
BEAMS = "beam search takes no repetition_penalty and no stop"
FAST = "bfloat16 is fast and not reproducible: an answer may change with what else is asked at the same time"


def available() -> bool:
    """Whether OpenVINO GenAI is installed."""
    return find_spec("openvino_genai") is not None


@dataclass
class _Asked:
    """One sequence under way, and whose answer it is."""

    handle: Any
    request: int


class OpenVinoText:
    """Answers many requests at once, in float32 as each alone would be answered.

    float32 weights and cache and no shared prefixes: so an answer does not depend on the batch it is in. bfloat16 is
    nearly twice as fast and gives that up; `means.reproducible` says which it is.
    """

    def __init__(self, folder: Path, reference: str, *, fast: bool = False) -> None:
        """Loads what `models.gguf.unpacked` left in `folder`.

        Raises:
            ModelError: OpenVINO GenAI is not installed, or cannot read the file.
        """
        if not available():
            raise ModelError("OpenVINO GenAI is not installed.", hint="pip install openvino-genai")
        from transformers import AutoConfig, AutoTokenizer

        self.reference = reference
        self._fast = fast
        self.tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
        config = AutoConfig.from_pretrained(folder, local_files_only=True)
        self._context = int(config.max_position_embeddings)
        self._end = int(config.eos_token_id)
        self._file = str(folder / F16_FILE)
        self._pipeline = self._opened()

    def _opened(self) -> Any:
        import openvino_genai

        plan = openvino_genai.SchedulerConfig()
        plan.cache_size, plan.max_num_seqs, plan.enable_prefix_caching = CACHE_GB, AT_ONCE, False
        kind = "bf16" if self._fast else "f32"
        settings = {"INFERENCE_PRECISION_HINT": kind, "KV_CACHE_PRECISION": kind}
        try:
            return openvino_genai.ContinuousBatchingPipeline(self._file, plan, "CPU", settings)
        except RuntimeError as error:
            raise ModelError(f"Model {self.reference!r} cannot be opened by OpenVINO: {error}") from error

    @property
    def means(self) -> Capabilities:
        """Every decoding; beam search without repetition penalty and stop strings."""
        return Capabilities(
            strategies=frozenset({"greedy", "beam", "sample"}),
            controls=CONTROLS,
            reproducible=not self._fast,
            log_probs=True,
            context=self._context,
            note=f"{BEAMS}; {FAST}" if self._fast else BEAMS,
        )

    def complete(self, requests: Sequence[TextRequest]) -> Sequence[Completion | NotCompleted]:
        """One completion each, in order.

        Raises:
            ModelError: A request carries images, or a conversation where the model has no chat template; or it asks
                for beam search with a repetition penalty or stop strings.
        """
        hint = f"transformers:{self.reference} decodes in every way, more slowly."
        refuse(requests, lambda one: unsupported(self.means, one) or beside_beams(one), self.reference, hint)
        prompts = [rendered(self.tokenizer, request.prompt, self.reference) for request in requests]
        asked: list[_Asked] = []
        found: dict[int, Completion | NotCompleted] = {}
        for nth, (request, ids) in enumerate(zip(requests, prompts, strict=True)):
            if (long := too_long(len(ids), request.decoding.max_tokens, self._context)) is not None:
                found[nth] = long
                continue
            asked += [_Asked(self._add(ids, config), nth) for config in self._configs(request)]
        self._run([one.handle for one in asked])
        answers: dict[int, list[Answer]] = {}
        for one in asked:
            outputs = one.handle.read_all()
            request = requests[one.request]
            answers.setdefault(one.request, []).extend(self._answer(output, request) for output in outputs)
        for nth, own in answers.items():
            found[nth] = Completion(tuple(own), len(prompts[nth]))
        return [found[nth] for nth in range(len(requests))]

    def log_probs(self, texts: Sequence[str]) -> Sequence[LogProbs]:
        """Token by token.

        Raises:
            ModelError: A text is longer than the context.
        """
        return log_probs_of(self, texts, self.tokenizer.convert_ids_to_tokens)

    @property
    def longest(self) -> int:
        """The context less one token, which is generated."""
        return self._context - 1

    def tokens_of(self, text: str) -> list[int]:
        """Tokens of a text; what looks like a special token in it is words."""
        return words_of(self.tokenizer, text)

    def token_log_probs(self, rows: Sequence[Sequence[int]], last: Sequence[int]) -> Sequence[Sequence[float]]:
        """Of the `last[i]` last tokens of each row.

        Raises:
            ModelError: A row is longer than `longest`.
        """
        check_lengths(rows, self.longest, self.reference)
        handles = [self._add(ids, self._echo()) if count else None for ids, count in zip(rows, last, strict=True)]
        self._run([handle for handle in handles if handle is not None])
        found = []
        for ids, count, handle in zip(rows, last, handles, strict=True):
            # The first value is a placeholder, the last one belongs to a token that was generated.
            own = list(handle.read_all()[0].generated_log_probs)[1 : len(ids)] if handle is not None else []
            found.append([float(value) for value in own[len(own) - count :]])
        return found

    def _add(self, ids: Sequence[int], config: Any) -> Any:
        import numpy as np
        import openvino

        self._count = getattr(self, "_count", 0) + 1
        return self._pipeline.add_request(self._count, openvino.Tensor(np.array([ids], dtype=np.int64)), config)

    def _run(self, handles: Sequence[Any]) -> None:
        try:
            self._stepped(handles)
        except RuntimeError as error:
            # What was under way stays in the pipeline and fails every later step.
            self._pipeline = self._opened()
            hint = f"Ask transformers:{self.reference}."
            raise ModelError(f"OpenVINO failed under way: {str(error).splitlines()[-1]}", hint=hint) from error

    def _stepped(self, handles: Sequence[Any]) -> None:
        """Until all of them have ended.

        A single row takes another kernel than several do, whose sums differ in the last bits. So a sequence that nobody
        asked for runs beside them wherever one of them might be alone in a step: while prompts are read, which may end
        one by one, and among the last few.
        """
        import openvino_genai

        running = openvino_genai.GenerationStatus.RUNNING
        unread, going, company = list(handles), list(handles), None
        while going:
            needed = not self._fast and (bool(unread) or len(going) <= FEW)
            if needed and company is None:
                company = self._add([self._end], self._company())
            elif company is not None and not needed:
                company = company.stop()
            self._pipeline.step()
            going = [handle for handle in going if handle.get_status() == running]
            unread = [handle for handle in unread if not handle.can_read()] if unread else unread
        if company is not None:
            company.stop()
            self._pipeline.step()  # which lets go of it

    def _company(self) -> Any:
        import openvino_genai

        config = openvino_genai.GenerationConfig()
        config.do_sample, config.ignore_eos, config.max_new_tokens = False, True, self._context - 1
        config.apply_chat_template = False
        return config

    def _configs(self, request: TextRequest) -> Iterator[Any]:
        """One a sequence: each sampled answer is a request of its own, so that it has its own stream."""
        from assay.models.text.transformers_model import stream

        decoding = request.decoding
        for nth in range(decoding.answers if decoding.strategy == "sample" else 1):
            config = self._usual(decoding)
            config.logprobs = int(request.log_prob)
            if decoding.strategy == "sample":
                config.do_sample = True
                config.temperature, config.top_p, config.min_p = decoding.temperature, decoding.top_p, decoding.min_p
                if decoding.top_k:  # else the library sorts the whole vocabulary, and equal ones may change places
                    config.top_k = decoding.top_k
                config.rng_seed = stream(decoding.seed, nth)
            if decoding.strategy == "beam":
                config.num_beams, config.num_return_sequences = decoding.beams, decoding.answers
                config.length_penalty = decoding.length_penalty
            yield config

    def _usual(self, decoding: Decoding) -> Any:
        import openvino_genai

        config = openvino_genai.GenerationConfig()
        config.do_sample = False
        config.max_new_tokens = decoding.max_tokens
        config.eos_token_id = self._end
        config.stop_token_ids = {self._end}
        config.stop_strings = set(decoding.stop)
        config.repetition_penalty = decoding.repetition_penalty
        config.apply_chat_template = False
        return config

    def _echo(self) -> Any:
        import openvino_genai

        config = openvino_genai.GenerationConfig()
        config.do_sample, config.echo, config.logprobs, config.max_new_tokens = False, True, 1, 1
        config.apply_chat_template = False
        return config

    def _answer(self, output: Any, request: TextRequest) -> Answer:
        import openvino_genai

        ids = list(output.generated_ids)
        ended = output.finish_reason == openvino_genai.GenerationFinishReason.STOP
        text, stopped = cut_at(self.tokenizer.decode(ids, skip_special_tokens=True), request.decoding.stop)
        total = None
        if request.log_prob:  # else the library gives noughts
            total = math.fsum(float(value) for value in output.generated_log_probs)
        if not text:
            return Answer("", "empty", len(ids), total)
        return Answer(text, "stop" if ended or stopped else "length", len(ids), total)


def is_default_for(request: ModelRequest) -> bool:
    """Whether OpenVINO opens a reference without scheme: an unpacked GGUF file on a CPU, where it is installed."""
    return request.placement.device == "cpu" and available() and is_unpacked(request.checkpoint.folder)


def open_openvino(request: ModelRequest) -> OpenVinoText:
    """Load a language model of the Llama family from a GGUF file.

    Raises:
        ModelError: The device is not a CPU, OpenVINO GenAI is not installed, or the model is not from a GGUF file.
    """
    checkpoint, placement = request.checkpoint, request.placement
    if placement.device != "cpu":
        raise ModelError(f"The backend 'openvino' runs on a CPU, not on {placement.device!r}.")
    if checkpoint.folder is None or not is_default_for(request):
        raise ModelError(
            f"The backend 'openvino' cannot open {checkpoint.reference!r}.",
            hint=f"It takes embedded:smollm2 and {GGUF} files of the Llama family, where openvino-genai is installed.",
        )
    return OpenVinoText(checkpoint.folder, checkpoint.reference, fast=placement.dtype == "bfloat16")
