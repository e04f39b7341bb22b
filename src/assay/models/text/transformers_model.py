"""Causal language models of transformers as a `TextModel`; also models trained by assay."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from assay.core.completions import (
    Answer,
    Capabilities,
    Completion,
    Continuations,
    Likelihood,
    LogProbs,
    Message,
    NotCompleted,
    TextRequest,
    TokenMoments,
    unsupported,
)
from assay.core.errors import ModelError
from assay.models.loading import ModelRequest, fetch, load_pretrained, wrong_kind_error
from assay.models.references import Checkpoint, read_json
from assay.models.text.likelihood import EncodedContinuations, encode_continuations, likelihoods
from assay.models.text.log_probs import last_log_probs, same_vocabulary, token_moments
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
)

if TYPE_CHECKING:
    import torch

    from assay.core.decoding import Decoding
    from assay.core.model_kinds import Matrix, MomentsModel

GPU_BATCH_SIZE = 32
"""Requests in a batch on devices other than the CPU."""
MAX_LOGITS = 2**28
"""Maximum number of logits of a network call: a gigabyte in float32."""


class HfTextModel:
    """Complete one request at a time on a CPU, and batches of requests elsewhere.

    On a CPU an answer depends only on its request. On a GPU requests with equal decoding share a batch, whose other
    rows change the last bits, so `means.reproducible` is False.
    """

    def __init__(self, model: Any, tokenizer: Any, reference: str, batch_size: int = 1) -> None:
        """Wrap a loaded model and its tokenizer."""
        self.model = model
        self.tokenizer = tokenizer
        self.reference = reference
        self._batch_size = batch_size
        if tokenizer.pad_token_id is None:
            tokenizer.pad_token = tokenizer.eos_token
        tokenizer.padding_side = "left"

    @property
    def means(self) -> Capabilities:
        """All decodings; reproducible with a batch size of 1."""
        context = getattr(self.model.config, "max_position_embeddings", None)
        return Capabilities(
            frozenset({"greedy", "beam", "sample"}),
            ALL_CONTROLS,
            reproducible=self._batch_size == 1,
            log_probs=True,
            context=context,
        )

    def complete(self, requests: Sequence[TextRequest]) -> Sequence[Completion | NotCompleted]:
        """One completion each, in order.

        Raises:
            ModelError: A request has images, or a conversation but the model has no chat template.
        """
        check_decodings(requests, partial(unsupported, self.means), self.reference)
        prompts = [encode_prompt(self.tokenizer, request.prompt, self.reference) for request in requests]
        results: dict[int, Completion | NotCompleted] = {}
        groups: dict[object, list[int]] = {}
        for nth, (request, ids) in enumerate(zip(requests, prompts, strict=True)):
            if (long := context_overflow(len(ids), request.decoding.max_tokens, self.means.context)) is not None:
                results[nth] = long
            else:
                groups.setdefault(replace(request.decoding, seed=0), []).append(nth)
        for members in groups.values():
            members.sort(key=lambda nth: len(prompts[nth]))  # similar lengths need little padding
            for start in range(0, len(members), self._batch_size):
                batch = members[start : start + self._batch_size]
                answers = self._complete_batch([requests[nth] for nth in batch], [prompts[nth] for nth in batch])
                results |= dict(zip(batch, answers, strict=True))
        return [results[nth] for nth in range(len(requests))]

    def log_probs(self, texts: Sequence[str]) -> Sequence[LogProbs]:
        """Log-probability of each token.

        Raises:
            ModelError: A text is longer than the context.
        """
        return text_log_probs(self, texts, self.tokenizer.convert_ids_to_tokens)

    @property
    def longest(self) -> int | None:
        """Maximum tokens of a text: the context."""
        return self.means.context

    def tokens_of(self, text: str) -> list[int]:
        """Token ids of a text; special tokens in it are encoded as plain text."""
        return encode_text(self.tokenizer, text)

    def token_log_probs(self, rows: Sequence[Sequence[int]], last: Sequence[int]) -> Sequence[Sequence[float]]:
        """Log-probabilities of the `last[i]` last tokens of each row; rows with equal lengths share a network call.

        Raises:
            ModelError: A row is longer than the context.
        """
        check_row_lengths(rows, self.longest, self.reference)
        results: list[list[float]] = [[] for _ in rows]
        groups: dict[tuple[int, int], list[int]] = {}
        for nth, (row, count) in enumerate(zip(rows, last, strict=True)):
            if count:
                groups.setdefault((len(row), count), []).append(nth)
        for (_, count), members in groups.items():
            size = min(self._batch_size, max(1, MAX_LOGITS // (count * int(self.model.config.vocab_size))))
            for start in range(0, len(members), size):
                batch = members[start : start + size]
                log_probs = last_log_probs(self.model, [rows[nth] for nth in batch], count)
                for nth, values in zip(batch, log_probs, strict=True):
                    results[nth] = values
        return results

    def token_moments(self, rows: Sequence[Sequence[int]], writer: MomentsModel | None) -> Sequence[TokenMoments]:
        """Moments of each row, with one network call for each row and model.

        Raises:
            ModelError: A row is longer than the context, or `writer` is another kind of model or has another
                vocabulary.
        """
        check_row_lengths(rows, self.longest, self.reference)
        if writer is None or writer is self:
            return [token_moments(self.model, self.model, row) for row in rows]
        if not isinstance(writer, HfTextModel) or not same_vocabulary(self.tokenizer, writer.tokenizer):
            raise ModelError(
                f"Model {self.reference!r} and {getattr(writer, 'reference', writer)!r} have different vocabularies.",
                hint="Use two models of one family, such as a base model and its instruct version.",
                model=self.reference,
                writer=getattr(writer, "reference", writer),
            )
        check_row_lengths(rows, writer.longest, writer.reference)
        return [token_moments(self.model, writer.model, row) for row in rows]

    def likelihoods(self, prompts: Sequence[Continuations]) -> Sequence[tuple[Likelihood, ...] | NotCompleted]:
        """One value for each text of each prompt, in order; a reason where the context is exceeded.

        Tokens are those of `encode_continuations`.

        Raises:
            ModelError: As `complete`, or a text is empty or adds no token.
        """
        rows = [encode_continuations(self.tokenizer, prompt, self.reference) for prompt in prompts]
        context = self.means.context
        results: dict[int, tuple[Likelihood, ...] | NotCompleted] = {}
        for nth, row in enumerate(rows):
            if (long := context_overflow(len(row.prompt), max(map(len, row.texts), default=0), context)) is not None:
                results[nth] = long
        fit = [nth for nth in range(len(rows)) if nth not in results]
        results |= zip(fit, likelihoods(self.model, [rows[nth] for nth in fit]), strict=True)
        return [results[nth] for nth in range(len(rows))]

    def answer_moments(self, prompts: Sequence[Continuations]) -> Sequence[tuple[TokenMoments, ...] | NotCompleted]:
        """One value for each text of each prompt, in order; a reason where the context is exceeded.

        Tokens are those of `encode_continuations`.

        Raises:
            ModelError: As `likelihoods`.
        """
        rows = (encode_continuations(self.tokenizer, prompt, self.reference) for prompt in prompts)
        return [self._answer_moments(row) for row in rows]

    def _answer_moments(self, row: EncodedContinuations) -> tuple[TokenMoments, ...] | NotCompleted:
        longest = max(map(len, row.texts), default=0)
        if (long := context_overflow(len(row.prompt), longest, self.means.context)) is not None:
            return long
        text_moments = (token_moments(self.model, self.model, (*row.prompt, *text)) for text in row.texts)
        before = len(row.prompt) - 1
        return tuple(
            TokenMoments(moments.log_probs[before:], moments.means[before:], moments.variances[before:])
            for moments in text_moments
        )

    @property
    def ends(self) -> frozenset[int]:
        """Tokens that end an answer."""
        ends = self.model.generation_config.eos_token_id
        return frozenset(ends if isinstance(ends, (list, tuple)) else [ends])

    def ids_of(self, prompt: str | tuple[Message, ...]) -> list[int]:
        """Token ids of a prompt with the generation prompt.

        Raises:
            ModelError: As `complete`.
        """
        return encode_prompt(self.tokenizer, prompt, self.reference)

    def spell(self, ids: Sequence[int]) -> str:
        """Decode tokens; special tokens are skipped."""
        return str(self.tokenizer.decode(list(ids), skip_special_tokens=True))

    def next_logits(self, sequences: Sequence[Sequence[int]]) -> Matrix:
        """(n, vocabulary): logits of the next token; sequences of one length share a network call."""
        import numpy as np
        import torch

        results = np.empty((len(sequences), int(self.model.config.vocab_size)), dtype=np.float32)
        lengths = [len(ids) for ids in sequences]
        for length in sorted(set(lengths)):
            rows = [nth for nth, other in enumerate(lengths) if other == length]
            ids = torch.tensor([list(sequences[nth]) for nth in rows], device=self.model.device)
            with torch.inference_mode():
                results[rows] = self.model(input_ids=ids, logits_to_keep=1).logits[:, -1].float().cpu().numpy()
        return results

    def _complete_batch(self, requests: Sequence[TextRequest], prompts: Sequence[Sequence[int]]) -> list[Completion]:
        import torch

        first, width = requests[0].decoding, max(map(len, prompts))
        pad = self.tokenizer.pad_token_id
        ids = torch.tensor([[pad] * (width - len(row)) + list(row) for row in prompts], device=self.model.device)
        mask = torch.tensor([[0] * (width - len(row)) + [1] * len(row) for row in prompts], device=self.model.device)
        copies = first.answers if first.strategy == "sample" else 1
        seeds = [answer_seed(request.decoding.seed, nth) for request in requests for nth in range(copies)]
        samplers = [_Sampler(first, seeds)] if first.strategy == "sample" else []
        with torch.inference_mode():
            output = self.model.generate(
                input_ids=ids.repeat_interleave(copies, 0),
                attention_mask=mask.repeat_interleave(copies, 0),
                generation_config=self._config(first),
                logits_processor=samplers,
                tokenizer=self.tokenizer if first.stop else None,
            )
        starts = range(0, first.answers * len(prompts), first.answers)
        generated = [output[start : start + first.answers, width:].tolist() for start in starts]
        return [
            Completion(tuple(self._answer(request, prompt, row) for row in rows), len(prompt))
            for request, prompt, rows in zip(requests, prompts, generated, strict=True)
        ]

    def _config(self, decoding: Decoding) -> Any:
        from transformers import GenerationConfig

        # Greedy also for sampling: `_Sampler` leaves one token, so that each row has its own random stream.
        defaults = self.model.generation_config
        return GenerationConfig(
            do_sample=False,
            max_new_tokens=decoding.max_tokens,
            num_beams=decoding.beams,
            num_return_sequences=decoding.answers if decoding.strategy == "beam" else 1,
            length_penalty=decoding.length_penalty,
            repetition_penalty=decoding.repetition_penalty,
            stop_strings=list(decoding.stop) or None,
            bos_token_id=defaults.bos_token_id,
            eos_token_id=defaults.eos_token_id,
            pad_token_id=self.tokenizer.pad_token_id,
        )

    def _answer(self, request: TextRequest, prompt: Sequence[int], row: Sequence[int]) -> Answer:
        last = next((nth for nth, token in enumerate(row) if token in self.ends), None)
        tokens = list(row) if last is None else list(row[: last + 1])
        while last is None and tokens and tokens[-1] == self.tokenizer.pad_token_id:
            tokens.pop()  # padding of a row that ended at a stop string before the others of its batch
        text = self.tokenizer.decode(tokens, skip_special_tokens=True)
        total = None
        if request.log_prob:
            count = min(len(tokens), len(prompt) + len(tokens) - 1)
            (values,) = last_log_probs(self.model, [[*prompt, *tokens]], count)
            total = sum(values)
        return text_answer(text, request.decoding.stop, len(tokens), total, ended=last is not None)


class _Sampler:
    """Logits processor that samples one token for each row, with a generator for each row, and masks all others."""

    def __init__(self, decoding: Decoding, seeds: Sequence[int]) -> None:
        import torch
        from transformers import MinPLogitsWarper, TemperatureLogitsWarper, TopKLogitsWarper, TopPLogitsWarper

        self._warpers: list[Any] = []
        if decoding.temperature != 1.0:
            self._warpers.append(TemperatureLogitsWarper(decoding.temperature))
        if decoding.top_k:
            self._warpers.append(TopKLogitsWarper(decoding.top_k))
        if decoding.top_p < 1.0:
            self._warpers.append(TopPLogitsWarper(decoding.top_p))
        if decoding.min_p:
            self._warpers.append(MinPLogitsWarper(decoding.min_p))
        self._generators = [torch.Generator().manual_seed(seed) for seed in seeds]

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        """(rows, tokens) and (rows, vocabulary) to logits with one finite value in each row."""
        import torch

        for warper in self._warpers:
            scores = warper(input_ids, scores)
        probabilities = scores.float().softmax(-1).cpu()
        sampled_tokens = [
            int(torch.multinomial(row, 1, generator=generator))
            for row, generator in zip(probabilities, self._generators, strict=True)
        ]
        masked = torch.full_like(scores, float("-inf"))
        masked[torch.arange(len(sampled_tokens)), torch.tensor(sampled_tokens)] = 0.0
        return masked


def check_kind(checkpoint: Checkpoint) -> None:
    """Reject a folder with another kind of model; a hub model is checked when it is loaded.

    Raises:
        ModelError: The model is not a causal language model.
    """
    if checkpoint.folder is not None:
        names = read_json(checkpoint.folder / "config.json").get("architectures") or ["unnamed"]
        if not str(names[0]).endswith(("ForCausalLM", "LMHeadModel")):
            raise wrong_kind_error(checkpoint, "a language model (a ...ForCausalLM)")


def open_text_model(request: ModelRequest) -> HfTextModel:
    """Load a causal language model and its tokenizer; requests are batched on devices other than the CPU.

    Raises:
        ModelError: There is no such model, or it cannot be loaded.
    """
    return _open(request, batch_size=1 if request.placement.device == "cpu" else GPU_BATCH_SIZE)


def open_token_model(request: ModelRequest) -> HfTextModel:
    """Load a causal language model and its tokenizer, with a batch size of 1 on every device.

    Raises:
        ModelError: There is no such model, or it cannot be loaded.
    """
    return _open(request, batch_size=1)


def _open(request: ModelRequest, batch_size: int) -> HfTextModel:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    checkpoint, placement = request.checkpoint, request.placement
    check_kind(checkpoint)

    def load(local: bool) -> HfTextModel:
        model = load_pretrained(AutoModelForCausalLM, checkpoint, placement, local=local)
        tokenizer = AutoTokenizer.from_pretrained(checkpoint.location, local_files_only=local)
        return HfTextModel(model, tokenizer, checkpoint.reference, batch_size)

    return fetch(checkpoint, load)
