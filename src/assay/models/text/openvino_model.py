"""Language models on a CPU with OpenVINO GenAI's continuous batching, as a `TextModel`."""

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
from assay.models.text.gguf import F16_FILE, is_unpacked_gguf
from assay.models.text.requests import (
    ALL_CONTROLS,
    answer_seed,
    check_decodings,
    check_row_lengths,
    context_overflow,
    encode_prompt,
    encode_text,
    text_answer,
    text_log_probs,
    unsupported_with_beams,
)

if TYPE_CHECKING:
    from assay.core.decoding import Decoding

MAX_SEQUENCES = 64
"""Maximum number of sequences in a batch."""
CACHE_GB = 2
MIN_SEQUENCES = 8
"""With more sequences than this a step never has only one, even if some wait for space in the cache."""
BEAM_NOTE = "beam search does not support repetition_penalty and stop"
BFLOAT16_NOTE = "bfloat16 is fast and not reproducible: an answer may change with the other requests of the batch"


def available() -> bool:
    """Whether OpenVINO GenAI is installed."""
    return find_spec("openvino_genai") is not None


@dataclass
class _Sequence:
    """A sequence in the pipeline, and the index of its request."""

    handle: Any
    request: int


class OpenVinoText:
    """Complete batches of requests; in float32 an answer does not depend on its batch.

    For this, weights and cache are float32 and there is no prefix caching. bfloat16 is nearly twice as fast, but not
    reproducible; see `means.reproducible`.
    """

    def __init__(self, folder: Path, reference: str, *, fast: bool = False) -> None:
        """Load a folder of `unpack_gguf`.

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
        self._pipeline = self._open_pipeline()

    def _open_pipeline(self) -> Any:
        import openvino_genai

        scheduler = openvino_genai.SchedulerConfig()
        scheduler.cache_size, scheduler.max_num_seqs, scheduler.enable_prefix_caching = CACHE_GB, MAX_SEQUENCES, False
        precision = "bf16" if self._fast else "f32"
        settings = {"INFERENCE_PRECISION_HINT": precision, "KV_CACHE_PRECISION": precision}
        try:
            return openvino_genai.ContinuousBatchingPipeline(self._file, scheduler, "CPU", settings)
        except RuntimeError as error:
            raise ModelError(f"Model {self.reference!r} cannot be opened by OpenVINO: {error}") from error

    @property
    def means(self) -> Capabilities:
        """All decodings; beam search without repetition penalty and stop strings."""
        return Capabilities(
            strategies=frozenset({"greedy", "beam", "sample"}),
            controls=ALL_CONTROLS,
            reproducible=not self._fast,
            log_probs=True,
            context=self._context,
            note=f"{BEAM_NOTE}; {BFLOAT16_NOTE}" if self._fast else BEAM_NOTE,
        )

    def complete(self, requests: Sequence[TextRequest]) -> Sequence[Completion | NotCompleted]:
        """One completion each, in order.

        Raises:
            ModelError: A request has images, or a conversation but the model has no chat template, or beam search with
                a repetition penalty or stop strings.
        """
        hint = f"transformers:{self.reference} supports all decodings, but is slower."
        check_decodings(
            requests,
            lambda decoding: unsupported(self.means, decoding) or unsupported_with_beams(decoding),
            self.reference,
            hint,
        )
        prompts = [encode_prompt(self.tokenizer, request.prompt, self.reference) for request in requests]
        sequences: list[_Sequence] = []
        results: dict[int, Completion | NotCompleted] = {}
        for nth, (request, ids) in enumerate(zip(requests, prompts, strict=True)):
            if (long := context_overflow(len(ids), request.decoding.max_tokens, self._context)) is not None:
                results[nth] = long
                continue
            sequences += [_Sequence(self._add(ids, config), nth) for config in self._configs(request)]
        self._run([sequence.handle for sequence in sequences])
        answers: dict[int, list[Answer]] = {}
        for sequence in sequences:
            outputs = sequence.handle.read_all()
            request = requests[sequence.request]
            answers.setdefault(sequence.request, []).extend(self._answer(output, request) for output in outputs)
        for nth, parts in answers.items():
            results[nth] = Completion(tuple(parts), len(prompts[nth]))
        return [results[nth] for nth in range(len(requests))]

    def log_probs(self, texts: Sequence[str]) -> Sequence[LogProbs]:
        """Log-probability of each token.

        Raises:
            ModelError: A text is longer than the context.
        """
        return text_log_probs(self, texts, self.tokenizer.convert_ids_to_tokens)

    @property
    def longest(self) -> int:
        """Maximum tokens of a text: the context minus one token, which is generated."""
        return self._context - 1

    def tokens_of(self, text: str) -> list[int]:
        """Token ids of a text; special tokens in it are encoded as plain text."""
        return encode_text(self.tokenizer, text)

    def token_log_probs(self, rows: Sequence[Sequence[int]], last: Sequence[int]) -> Sequence[Sequence[float]]:
        """Log-probabilities of the `last[i]` last tokens of each row.

        Raises:
            ModelError: A row is longer than `longest`.
        """
        check_row_lengths(rows, self.longest, self.reference)
        row_counts = zip(rows, last, strict=True)
        handles = [self._add(ids, self._echo_config()) if count else None for ids, count in row_counts]
        self._run([handle for handle in handles if handle is not None])
        results = []
        for ids, count, handle in zip(rows, last, handles, strict=True):
            # The first value is a placeholder, the last one belongs to the generated token.
            values = list(handle.read_all()[0].generated_log_probs)[1 : len(ids)] if handle is not None else []
            results.append([float(value) for value in values[len(values) - count :]])
        return results

    def _add(self, ids: Sequence[int], config: Any) -> Any:
        import numpy as np
        import openvino

        self._count = getattr(self, "_count", 0) + 1
        return self._pipeline.add_request(self._count, openvino.Tensor(np.array([ids], dtype=np.int64)), config)

    def _run(self, handles: Sequence[Any]) -> None:
        try:
            self._step_until_done(handles)
        except RuntimeError as error:
            # Unfinished sequences would stay in the pipeline and fail every later step.
            self._pipeline = self._open_pipeline()
            hint = f"Use transformers:{self.reference}."
            raise ModelError(f"OpenVINO failed: {str(error).splitlines()[-1]}", hint=hint) from error

    def _step_until_done(self, handles: Sequence[Any]) -> None:
        """Run the pipeline until all sequences have ended.

        A batch of one row uses another kernel, whose sums differ in the last bits. So a filler sequence is added
        wherever a step might have a single row: while prompts are processed, and while few sequences are left.
        """
        import openvino_genai

        running = openvino_genai.GenerationStatus.RUNNING
        unread, active, filler = list(handles), list(handles), None
        while active:
            needed = not self._fast and (bool(unread) or len(active) <= MIN_SEQUENCES)
            if needed and filler is None:
                filler = self._add([self._end], self._filler_config())
            elif filler is not None and not needed:
                filler = filler.stop()
            self._pipeline.step()
            active = [handle for handle in active if handle.get_status() == running]
            unread = [handle for handle in unread if not handle.can_read()] if unread else unread
        if filler is not None:
            filler.stop()
            self._pipeline.step()  # releases it

    def _filler_config(self) -> Any:
        import openvino_genai

        config = openvino_genai.GenerationConfig()
        config.do_sample, config.ignore_eos, config.max_new_tokens = False, True, self._context - 1
        config.apply_chat_template = False
        return config

    def _configs(self, request: TextRequest) -> Iterator[Any]:
        """Yield a configuration for each sequence: each sampled answer is a separate request with its own seed."""
        decoding = request.decoding
        for nth in range(decoding.answers if decoding.strategy == "sample" else 1):
            config = self._base_config(decoding)
            config.logprobs = int(request.log_prob)
            if decoding.strategy == "sample":
                config.do_sample = True
                config.temperature, config.top_p, config.min_p = decoding.temperature, decoding.top_p, decoding.min_p
                if decoding.top_k:  # with 0 the library would sort the whole vocabulary, and ties may change order
                    config.top_k = decoding.top_k
                config.rng_seed = answer_seed(decoding.seed, nth)
            if decoding.strategy == "beam":
                config.num_beams, config.num_return_sequences = decoding.beams, decoding.answers
                config.length_penalty = decoding.length_penalty
            yield config

    def _base_config(self, decoding: Decoding) -> Any:
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

    def _echo_config(self) -> Any:
        import openvino_genai

        config = openvino_genai.GenerationConfig()
        config.do_sample, config.echo, config.logprobs, config.max_new_tokens = False, True, 1, 1
        config.apply_chat_template = False
        return config

    def _answer(self, output: Any, request: TextRequest) -> Answer:
        import openvino_genai

        ids = list(output.generated_ids)
        ended = output.finish_reason == openvino_genai.GenerationFinishReason.STOP
        text = self.tokenizer.decode(ids, skip_special_tokens=True)
        total = None
        if request.log_prob:  # otherwise the library returns zeros
            total = math.fsum(float(value) for value in output.generated_log_probs)
        return text_answer(text, request.decoding.stop, len(ids), total, ended=ended)


def is_default_for(request: ModelRequest) -> bool:
    """Whether OpenVINO opens a reference without scheme: a GGUF file on a CPU, if it is installed."""
    return request.placement.device == "cpu" and available() and is_unpacked_gguf(request.checkpoint.folder)


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
            hint=f"It supports embedded:smollm2 and {GGUF} files of the Llama family, with openvino-genai installed.",
        )
    return OpenVinoText(checkpoint.folder, checkpoint.reference, fast=placement.dtype == "bfloat16")
