"""Any causal language model of transformers as a `TextModel`; also what assay trained."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
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
from assay.models.loading import ModelRequest, fetch, load_whole, refuse_kind
from assay.models.references import Checkpoint, read_json
from assay.models.text.chat import cut_at, rendered, words_of
from assay.models.text.likelihood import Row, likelihoods
from assay.models.text.limits import check_lengths, log_probs_of, refuse, too_long
from assay.models.text.moments import moments, same_tokens

if TYPE_CHECKING:
    import torch

    from assay.core.decoding import Decoding
    from assay.core.model_kinds import Matrix, MomentsModel

ALL = frozenset({"temperature", "top_k", "top_p", "min_p", "repetition_penalty", "length_penalty", "stop"})
GPU_ROWS = 32
"""Requests that are answered at once off the CPU."""
LOGITS = 2**28
"""Most logits that rows share a network call for: a gigabyte in float32."""
PART = 256
"""Tokens whose logits become logarithms at once."""
MEANS = {"strategies": frozenset({"greedy", "beam", "sample"}), "controls": ALL, "log_probs": True}


class HfTextModel:
    """Answers one request at a time on a CPU, several at a time elsewhere.

    On a CPU an answer depends on its own request alone. On a GPU requests of one decoding share a batch, whose other
    rows change the last bits: `means.reproducible` is False there.
    """

    def __init__(self, model: Any, tokenizer: Any, reference: str, rows: int = 1) -> None:
        """Wraps a loaded model and its tokenizer; `rows` requests are answered at once."""
        self.model = model
        self.tokenizer = tokenizer
        self.reference = reference
        self._rows = rows
        if tokenizer.pad_token_id is None:
            tokenizer.pad_token = tokenizer.eos_token
        tokenizer.padding_side = "left"

    @property
    def means(self) -> Capabilities:
        """Every decoding; reproducible where requests are answered one at a time."""
        context = getattr(self.model.config, "max_position_embeddings", None)
        return Capabilities(**MEANS, reproducible=self._rows == 1, context=context)  # type: ignore[arg-type]

    def complete(self, requests: Sequence[TextRequest]) -> Sequence[Completion | NotCompleted]:
        """One completion each, in order.

        Raises:
            ModelError: A request carries images, or a conversation where the model has no chat template.
        """
        refuse(requests, partial(unsupported, self.means), self.reference)
        prompts = [rendered(self.tokenizer, request.prompt, self.reference) for request in requests]
        found: dict[int, Completion | NotCompleted] = {}
        groups: dict[object, list[int]] = {}
        for nth, (request, ids) in enumerate(zip(requests, prompts, strict=True)):
            if (long := too_long(len(ids), request.decoding.max_tokens, self.means.context)) is not None:
                found[nth] = long
            else:
                groups.setdefault((_without_seed(request.decoding)), []).append(nth)
        for members in groups.values():
            members.sort(key=lambda nth: len(prompts[nth]))  # rows of like length waste little on padding
            for start in range(0, len(members), self._rows):
                batch = members[start : start + self._rows]
                answers = self._answer([requests[nth] for nth in batch], [prompts[nth] for nth in batch])
                found |= dict(zip(batch, answers, strict=True))
        return [found[nth] for nth in range(len(requests))]

    def log_probs(self, texts: Sequence[str]) -> Sequence[LogProbs]:
        """Token by token.

        Raises:
            ModelError: A text is longer than the context.
        """
        return log_probs_of(self, texts, self.tokenizer.convert_ids_to_tokens)

    @property
    def longest(self) -> int | None:
        """The context."""
        return self.means.context

    def tokens_of(self, text: str) -> list[int]:
        """Tokens of a text; what looks like a special token in it is words."""
        return words_of(self.tokenizer, text)

    def token_log_probs(self, rows: Sequence[Sequence[int]], last: Sequence[int]) -> Sequence[Sequence[float]]:
        """Of the `last[i]` last tokens of each row; rows alike in both share a network call where several may.

        Raises:
            ModelError: A row is longer than the context.
        """
        check_lengths(rows, self.longest, self.reference)
        found: list[list[float]] = [[] for _ in rows]
        alike: dict[tuple[int, int], list[int]] = {}
        for nth, (row, count) in enumerate(zip(rows, last, strict=True)):
            if count:
                alike.setdefault((len(row), count), []).append(nth)
        for (_, count), members in alike.items():
            most = min(self._rows, max(1, LOGITS // (count * int(self.model.config.vocab_size))))
            for start in range(0, len(members), most):
                batch = members[start : start + most]
                given = self._of_tokens([rows[nth] for nth in batch], count)
                for nth, values in zip(batch, given, strict=True):
                    found[nth] = values
        return found

    def token_moments(self, rows: Sequence[Sequence[int]], writer: MomentsModel | None) -> Sequence[TokenMoments]:
        """Of each row, one network call a row and model.

        Raises:
            ModelError: A row is longer than the context, or `writer` is no such model or has other tokens.
        """
        check_lengths(rows, self.longest, self.reference)
        if writer is None or writer is self:
            return [moments(self.model, self.model, row) for row in rows]
        if not isinstance(writer, HfTextModel) or not same_tokens(self.tokenizer, writer.tokenizer):
            raise ModelError(
                f"Model {self.reference!r} and {getattr(writer, 'reference', writer)!r} do not have the same tokens.",
                hint="Take two models of one family, such as a base model and its instruct version.",
            )
        check_lengths(rows, writer.longest, writer.reference)
        return [moments(self.model, writer.model, row) for row in rows]

    def likelihoods(self, asked: Sequence[Continuations]) -> Sequence[tuple[Likelihood, ...] | NotCompleted]:
        """One value for each text of each prompt, in order; what is longer than the context has a reason.

        A prompt of plain words and a text are cut into tokens together, as they would stand; a conversation's template
        ends where the text begins. What looks like a special token in a text is words.

        Raises:
            ModelError: As `complete`, or a text is empty or adds no token.
        """
        rows = [self._row(one) for one in asked]
        context = self.means.context
        found: dict[int, tuple[Likelihood, ...] | NotCompleted] = {}
        for nth, row in enumerate(rows):
            if (long := too_long(len(row.prompt), max(map(len, row.texts), default=0), context)) is not None:
                found[nth] = long
        fit = [nth for nth in range(len(rows)) if nth not in found]
        found |= zip(fit, likelihoods(self.model, [rows[nth] for nth in fit]), strict=True)
        return [found[nth] for nth in range(len(rows))]

    def answer_moments(self, asked: Sequence[Continuations]) -> Sequence[tuple[TokenMoments, ...] | NotCompleted]:
        """One value for each text of each prompt, in order; what is longer than the context has a reason.

        Tokens are cut as of `likelihoods`.

        Raises:
            ModelError: As `likelihoods`.
        """
        return [self._moments_after(self._row(one)) for one in asked]

    def _moments_after(self, row: Row) -> tuple[TokenMoments, ...] | NotCompleted:
        longest = max(map(len, row.texts), default=0)
        if (long := too_long(len(row.prompt), longest, self.means.context)) is not None:
            return long
        whole = (moments(self.model, self.model, (*row.prompt, *text)) for text in row.texts)
        before = len(row.prompt) - 1
        return tuple(TokenMoments(one.log_probs[before:], one.means[before:], one.variances[before:]) for one in whole)

    def _row(self, asked: Continuations) -> Row:
        if not all(asked.texts):
            raise ModelError("A text whose likelihood is asked for must not be empty.")
        if not isinstance(asked.prompt, str):
            as_words = {"add_special_tokens": False, "split_special_tokens": True}
            own = (self.tokenizer(text, **as_words)["input_ids"] for text in asked.texts)
            return Row(tuple(self.ids_of(asked.prompt)), tuple(map(tuple, own)))
        # A space at the end of a prompt belongs to the first word of the text: tokenizers join them.
        prompt = asked.prompt.rstrip()
        space = asked.prompt[len(prompt) :]
        start = tuple(self.ids_of(prompt))
        # An empty prompt has a token of its own that does not stand before the text.
        cut = len(start) if prompt else len(self.tokenizer("")["input_ids"])
        texts = tuple(tuple(self.ids_of(prompt + space + text))[cut:] for text in asked.texts)
        if not all(texts):
            raise ModelError(f"A text adds no token to its prompt, which ends with {prompt[-20:]!r}.")
        return Row(start, texts)

    @property
    def ends(self) -> frozenset[int]:
        """Tokens that end an answer."""
        ends = self.model.generation_config.eos_token_id
        return frozenset(ends if isinstance(ends, (list, tuple)) else [ends])

    def ids_of(self, prompt: str | tuple[Message, ...]) -> list[int]:
        """Tokens of a prompt, as it is asked.

        Raises:
            ModelError: As `complete`.
        """
        return rendered(self.tokenizer, prompt, self.reference)

    def spell(self, ids: Sequence[int]) -> str:
        """The text of tokens, special ones left out."""
        return str(self.tokenizer.decode(list(ids), skip_special_tokens=True))

    def next_logits(self, sequences: Sequence[Sequence[int]]) -> Matrix:
        """(n, vocabulary): logits of the token after each sequence; those of one length in one network call."""
        import numpy as np
        import torch

        found = np.empty((len(sequences), int(self.model.config.vocab_size)), dtype=np.float32)
        lengths = [len(ids) for ids in sequences]
        for length in sorted(set(lengths)):
            rows = [nth for nth, own in enumerate(lengths) if own == length]
            ids = torch.tensor([list(sequences[nth]) for nth in rows], device=self.model.device)
            with torch.inference_mode():
                found[rows] = self.model(input_ids=ids, logits_to_keep=1).logits[:, -1].float().cpu().numpy()
        return found

    def _of_tokens(self, rows: Sequence[Sequence[int]], last: int) -> list[list[float]]:
        """Of the `last` last tokens of rows of one length."""
        import torch

        if not last:
            return [[] for _ in rows]
        ids = torch.tensor([list(row) for row in rows], device=self.model.device)
        with torch.inference_mode():
            logits = self.model(input_ids=ids, logits_to_keep=last + 1).logits[:, :-1].flatten(0, 1)
            wanted = ids[:, -last:].flatten()
            # In parts, as logarithms take as much room as logits, and in 16 bit twice as much.
            parts = zip(torch.split(logits, PART), torch.split(wanted, PART), strict=True)
            values = [part.float().log_softmax(-1).gather(1, own[:, None]).squeeze(1) for part, own in parts]
        found: list[list[float]] = torch.cat(values).view(len(rows), last).tolist()
        return found

    def _answer(self, requests: Sequence[TextRequest], prompts: Sequence[Sequence[int]]) -> list[Completion]:
        import torch

        first, width = requests[0].decoding, max(map(len, prompts))
        pad = self.tokenizer.pad_token_id
        ids = torch.tensor([[pad] * (width - len(row)) + list(row) for row in prompts], device=self.model.device)
        mask = torch.tensor([[0] * (width - len(row)) + [1] * len(row) for row in prompts], device=self.model.device)
        copies = first.answers if first.strategy == "sample" else 1
        seeds = [stream(one.decoding.seed, nth) for one in requests for nth in range(copies)]
        draw = [_Draw(first, seeds)] if first.strategy == "sample" else []
        with torch.inference_mode():
            made = self.model.generate(
                input_ids=ids.repeat_interleave(copies, 0),
                attention_mask=mask.repeat_interleave(copies, 0),
                generation_config=self._config(first),
                logits_processor=draw,
                tokenizer=self.tokenizer if first.stop else None,
            )
        own = [made[nth * first.answers : (nth + 1) * first.answers, width:].tolist() for nth in range(len(prompts))]
        return [
            Completion(tuple(self._one(request, prompt, row) for row in rows), len(prompt))
            for request, prompt, rows in zip(requests, prompts, own, strict=True)
        ]

    def _config(self, decoding: Decoding) -> Any:
        from transformers import GenerationConfig

        # Sampling is greedy to transformers: `_Draw` leaves one token, so that each row has a stream of its own.
        usual = self.model.generation_config
        return GenerationConfig(
            do_sample=False,
            max_new_tokens=decoding.max_tokens,
            num_beams=decoding.beams,
            num_return_sequences=decoding.answers if decoding.strategy == "beam" else 1,
            length_penalty=decoding.length_penalty,
            repetition_penalty=decoding.repetition_penalty,
            stop_strings=list(decoding.stop) or None,
            bos_token_id=usual.bos_token_id,
            eos_token_id=usual.eos_token_id,
            pad_token_id=self.tokenizer.pad_token_id,
        )

    def _one(self, request: TextRequest, prompt: Sequence[int], row: Sequence[int]) -> Answer:
        last = next((nth for nth, token in enumerate(row) if token in self.ends), None)
        taken = list(row) if last is None else list(row[: last + 1])
        while last is None and taken and taken[-1] == self.tokenizer.pad_token_id:
            taken.pop()  # a row that ended at a stop string before the others of its batch
        text = self.tokenizer.decode(taken, skip_special_tokens=True)
        text, stopped = cut_at(text, request.decoding.stop)
        total = None
        if request.log_prob:
            (values,) = self._of_tokens([[*prompt, *taken]], min(len(taken), len(prompt) + len(taken) - 1))
            total = sum(values)
        if not text:
            return Answer("", "empty", len(taken), total)
        return Answer(text, "stop" if last is not None or stopped else "length", len(taken), total)


class _Draw:
    """A logits processor that draws one token a row, each row from its own stream, and rules out all others."""

    def __init__(self, decoding: Decoding, seeds: Sequence[int]) -> None:
        import torch
        from transformers import MinPLogitsWarper, TemperatureLogitsWarper, TopKLogitsWarper, TopPLogitsWarper

        self._cuts: list[Any] = []
        if decoding.temperature != 1.0:
            self._cuts.append(TemperatureLogitsWarper(decoding.temperature))
        if decoding.top_k:
            self._cuts.append(TopKLogitsWarper(decoding.top_k))
        if decoding.top_p < 1.0:
            self._cuts.append(TopPLogitsWarper(decoding.top_p))
        if decoding.min_p:
            self._cuts.append(MinPLogitsWarper(decoding.min_p))
        self._streams = [torch.Generator().manual_seed(seed) for seed in seeds]

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        """(rows, tokens) and (rows, vocabulary) to logits of which one a row is left."""
        import torch

        for cut in self._cuts:
            scores = cut(input_ids, scores)
        shares = scores.float().softmax(-1).cpu()
        chosen = [
            int(torch.multinomial(row, 1, generator=stream)) for row, stream in zip(shares, self._streams, strict=True)
        ]
        left = torch.full_like(scores, float("-inf"))
        left[torch.arange(len(chosen)), torch.tensor(chosen)] = 0.0
        return left


def _without_seed(decoding: Decoding) -> Decoding:
    from dataclasses import replace

    return replace(decoding, seed=0)


def stream(seed: int, nth: int) -> int:
    """The nth answer's own randomness."""
    return int.from_bytes(hashlib.sha256(f"{seed}/{nth}".encode()).digest()[:8], "big") >> 1


def check_kind(checkpoint: Checkpoint) -> None:
    """Refuses a folder that holds another kind of model; what the hub holds is not known before it is here.

    Raises:
        ModelError: It is no causal language model.
    """
    if checkpoint.folder is not None:
        names = read_json(checkpoint.folder / "config.json").get("architectures") or ["unnamed"]
        if not str(names[0]).endswith(("ForCausalLM", "LMHeadModel")):
            raise refuse_kind(checkpoint, "a language model (a ...ForCausalLM)")


def open_text_model(request: ModelRequest) -> HfTextModel:
    """Load a causal language model and its tokenizer; off the CPU, requests are answered in batches.

    Raises:
        ModelError: There is no such model, or it cannot be loaded.
    """
    return _open(request, rows=1 if request.placement.device == "cpu" else GPU_ROWS)


def open_token_model(request: ModelRequest) -> HfTextModel:
    """Load a causal language model and its tokenizer; requests are answered one at a time on every device.

    Raises:
        ModelError: There is no such model, or it cannot be loaded.
    """
    return _open(request, rows=1)


def _open(request: ModelRequest, rows: int) -> HfTextModel:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    checkpoint, placement = request.checkpoint, request.placement
    check_kind(checkpoint)

    def load(local: bool) -> HfTextModel:
        model = load_whole(AutoModelForCausalLM, checkpoint, placement, local=local)
        tokenizer = AutoTokenizer.from_pretrained(checkpoint.location, local_files_only=local)
        return HfTextModel(model, tokenizer, checkpoint.reference, rows)

    return fetch(checkpoint, load)
