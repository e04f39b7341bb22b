"""Log-likelihoods of continuations: a prefix shared by prompts is computed once, the rest is packed without padding.

The few-shot examples are most of a prompt, and all questions of a subject share them. Their keys and values are
computed once. Questions and continuations are packed into one row with a block attention mask.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from assay.core.completions import Continuations, Likelihood
from assay.core.errors import ModelError
from assay.models.text.requests import encode_prompt

if TYPE_CHECKING:
    import torch

MIN_SHARED = 32
"""Minimum length in tokens of a shared prefix."""
ROW_TOKENS = 512
"""Tokens of a packed row. Attention is computed between all of them, masked or not, so more is not faster."""


@dataclass(frozen=True)
class EncodedContinuations:
    """Token ids of a prompt and its continuations."""

    prompt: tuple[int, ...]
    texts: tuple[tuple[int, ...], ...]
    """Each has at least one token."""

    @property
    def length(self) -> int:
        """Tokens of the network's input, which excludes the last one of each text."""
        return len(self.prompt) + sum(len(text) - 1 for text in self.texts)


def encode_continuations(tokenizer: Any, continuations: Continuations, reference: str) -> EncodedContinuations:
    """Token ids of a prompt and its continuations.

    A plain prompt and a text are tokenized together; a conversation's template ends where the text begins. Special
    tokens in a text are encoded as plain text.

    Raises:
        ModelError: As `encode_prompt`, or a text is empty or adds no token.
    """
    if not all(continuations.texts):
        raise ModelError("A text whose likelihood is requested must not be empty.")
    if not isinstance(continuations.prompt, str):
        as_plain_text = {"add_special_tokens": False, "split_special_tokens": True}
        ids = (tokenizer(text, **as_plain_text)["input_ids"] for text in continuations.texts)
        return EncodedContinuations(
            tuple(encode_prompt(tokenizer, continuations.prompt, reference)), tuple(tuple(row) for row in ids)
        )
    # A space at the end of a prompt belongs to the first word of the text: tokenizers join them.
    prompt = continuations.prompt.rstrip()
    space = continuations.prompt[len(prompt) :]
    prompt_ids = tuple(encode_prompt(tokenizer, prompt, reference))
    # The placeholder token of an empty prompt does not precede the text.
    offset = len(prompt_ids) if prompt else len(tokenizer("")["input_ids"])
    texts = tuple(
        tuple(encode_prompt(tokenizer, prompt + space + text, reference))[offset:] for text in continuations.texts
    )
    if not all(texts):
        raise ModelError(f"A text adds no token to its prompt, which ends with {prompt[-20:]!r}.")
    return EncodedContinuations(prompt_ids, texts)


def likelihoods(model: Any, rows: Sequence[EncodedContinuations]) -> list[tuple[Likelihood, ...]]:
    """Log-likelihood of each text after its prompt, in order, for a causal model of transformers.

    Models that ignore attention masks (with a recurrent state, or other position encodings) are detected by a trial;
    for them each prompt is recomputed for each text.

    Source: the sums are those of lm-evaluation-harness (`HFLM.loglikelihood`), which recomputes the prompt for each
    text of more than one token.
    """
    import torch

    results: dict[int, tuple[Likelihood, ...]] = {}
    with torch.inference_mode():
        longest = max((row.length for row in rows), default=0)
        if rows and not _supports_packing(model, longest):
            return [_unpacked_likelihoods(model, row) for row in rows]
        for header, members in _groups(rows):
            cache = _prefill(model, rows[members[0]].prompt[:header]) if header else None
            for batch in _batches(rows, members, header):
                results |= zip(
                    batch, _packed_likelihoods(model, [rows[nth] for nth in batch], header, cache), strict=True
                )
    return [results[nth] for nth in range(len(rows))]


def _groups(rows: Sequence[EncodedContinuations]) -> Iterator[tuple[int, list[int]]]:
    """Yield (length of the shared prefix, rows): runs of prompts, in sorted order, that share a prefix."""
    order = sorted(range(len(rows)), key=lambda nth: rows[nth].prompt)
    members: list[int] = []
    common = 0
    for nth in order:
        # The last token of a prompt stays outside the prefix: its logits predict the first token of a text.
        limit = len(rows[nth].prompt) - 1
        shared = min(common, limit, _common_length(rows[members[0]].prompt, rows[nth].prompt)) if members else 0
        # Start another group where the prefix would become much shorter.
        if members and shared >= max(MIN_SHARED, common // 2 if len(members) > 1 else 0):
            members.append(nth)
            common = shared
            continue
        if members:
            yield (common if len(members) > 1 else 0), members
        members, common = [nth], limit
    if members:
        yield (common if len(members) > 1 else 0), members


def _common_length(left: Sequence[int], right: Sequence[int]) -> int:
    """Length of the common prefix."""
    for nth, (a, b) in enumerate(zip(left, right, strict=False)):
        if a != b:
            return nth
    return min(len(left), len(right))


def _batches(rows: Sequence[EncodedContinuations], members: Sequence[int], header: int) -> Iterator[list[int]]:
    """As many prompts as fit into one packed row; at least one."""
    batch: list[int] = []
    total = 0
    for nth in members:
        size = rows[nth].length - header
        if batch and total + size > ROW_TOKENS:
            yield batch
            batch, total = [], 0
        batch.append(nth)
        total += size
    if batch:
        yield batch


def _prefill(model: Any, ids: Sequence[int]) -> Any:
    """Keys and values of a prefix."""
    import torch

    tensor = torch.tensor([list(ids)], device=model.device)
    return model(input_ids=tensor, use_cache=True, logits_to_keep=1).past_key_values


def _packed_likelihoods(
    model: Any, batch: Sequence[EncodedContinuations], header: int, cache: Any
) -> list[tuple[Likelihood, ...]]:
    import torch

    ids: list[int] = []
    positions: list[int] = []
    blocks: list[_Block] = []
    for row in batch:
        blocks.append(_Block(row, header, len(ids)))
        ids += [*row.prompt[header:], *(token for text in row.texts for token in text[:-1])]
        positions += blocks[-1].positions()
    predicting = [index for block in blocks for index in block.predicting()]
    logit_rows = {index: nth for nth, index in enumerate(sorted(set(predicting)))}
    output = model(
        input_ids=torch.tensor([ids], device=model.device),
        position_ids=torch.tensor([positions], device=model.device),
        attention_mask=_mask(model, blocks, header, len(ids)),
        past_key_values=None if cache is None else _copy_cache(cache),
        use_cache=cache is not None,
        logits_to_keep=torch.tensor(list(logit_rows), device=model.device),
    )
    tokens = [token for row in batch for text in row.texts for token in text]
    values = iter(_token_values(output.logits[0], [logit_rows[index] for index in predicting], tokens))
    return [tuple(_sum([next(values) for _ in text]) for text in row.texts) for row in batch]


def _token_values(logits: torch.Tensor, rows: Sequence[int], tokens: Sequence[int]) -> list[tuple[float, bool]]:
    """Log-probability of each token by the logits in its row, and whether it is the most probable token."""
    import torch

    logits = logits.float()
    indices, targets = torch.tensor(rows, device=logits.device), torch.tensor(tokens, device=logits.device)
    values = logits[indices, targets] - logits.logsumexp(-1)[indices]
    best = logits.argmax(-1)[indices] == targets
    return list(zip(values.tolist(), best.tolist(), strict=True))


def _sum(values: Sequence[tuple[float, bool]]) -> Likelihood:
    return Likelihood(sum(value for value, _ in values), len(values), all(best for _, best in values))


def _copy_cache(cache: Any) -> Any:
    """A copy that can be extended without changing `cache`; layers that only grow are copied shallowly."""
    from transformers.cache_utils import DynamicLayer

    if not all(type(layer) is DynamicLayer for layer in cache.layers):
        return copy.deepcopy(cache)
    copied = copy.copy(cache)
    copied.layers = [copy.copy(layer) for layer in cache.layers]
    return copied


@dataclass(frozen=True)
class _Block:
    """Position of a prompt and its texts in a packed row."""

    row: EncodedContinuations
    header: int
    start: int

    @property
    def prompt_length(self) -> int:
        """Tokens of the prompt after the shared prefix."""
        return len(self.row.prompt) - self.header

    def spans(self) -> Iterator[tuple[int, int]]:
        """(start, end) of the input tokens of each text: all but its last."""
        start = self.start + self.prompt_length
        for text in self.row.texts:
            yield start, (start := start + len(text) - 1)

    def positions(self) -> list[int]:
        """Position of each token, as if each text directly followed its prompt."""
        after = len(self.row.prompt)
        return [
            *range(self.header, after),
            *(at for text in self.row.texts for at in range(after, after + len(text) - 1)),
        ]

    def predicting(self) -> list[int]:
        """Indices whose logits predict each token of each text."""
        last = self.start + self.prompt_length - 1
        return [index for start, end in self.spans() for index in (last, *range(start, end))]


def _mask(model: Any, blocks: Sequence[_Block], header: int, width: int) -> torch.Tensor:
    """(1, 1, width, header + width), added to attention scores: 0 where a token attends to another, else the minimum.

    A token attends to the shared prefix and to earlier tokens of its own prompt and text.
    """
    import torch

    visible = torch.zeros(width, header + width, dtype=torch.bool, device=model.device)
    visible[:, :header] = True
    for block in blocks:
        first, end = block.start, block.start + block.prompt_length
        for start, stop in ((first, end), *block.spans()):
            visible[start:stop, header + first : header + end] = True
            visible[start:stop, header + start : header + stop] = True
    visible &= torch.ones_like(visible).tril(header)
    lowest = torch.finfo(model.dtype).min
    return torch.zeros(visible.shape, dtype=model.dtype, device=model.device).masked_fill(~visible, lowest)[None, None]


def _supports_packing(model: Any, longest: int) -> bool:
    """Whether a packed row gives the same results as separate rows; tried once for each model.

    Layers with sliding-window attention get the same mask as others, so no row may be longer than the window.
    """
    window = getattr(model.config, "sliding_window", None)
    if window and longest > window:
        return False
    if not hasattr(model, _PACKING):
        setattr(model, _PACKING, _try_packing(model))
    return bool(getattr(model, _PACKING))


_PACKING = "_assay_supports_packing"


def _try_packing(model: Any) -> bool:
    limit = min(int(model.config.vocab_size) - 1, 97)
    start = tuple(1 + 7 * nth % limit for nth in range(12))
    rows = [EncodedContinuations((*start, 1 + 11 * nth % limit, 2), ((3, 1), (2, 3, 1), (1,))) for nth in range(3)]
    try:
        packed = _packed_likelihoods(model, rows, len(start), _prefill(model, start))
    except Exception:  # any exception of a model without this mask or cache
        return False
    # In 16 bit two orders of summation differ by about one percent.
    tolerance = 1e-4 if model.dtype.itemsize > 2 else 2e-2
    pairs = [
        pair
        for row, results in zip(rows, packed, strict=True)
        for pair in zip(results, _unpacked_likelihoods(model, row), strict=True)
    ]
    return all(abs(a.log_prob - b.log_prob) <= tolerance * max(1.0, abs(b.log_prob)) for a, b in pairs)


def _unpacked_likelihoods(model: Any, row: EncodedContinuations) -> tuple[Likelihood, ...]:
    """Each text after its prompt in its own network call; texts that differ only in the last token share one."""
    import torch

    logits: dict[tuple[int, ...], torch.Tensor] = {}
    results = []
    for text in row.texts:
        if text[:-1] not in logits:
            ids = torch.tensor([[*row.prompt, *text[:-1]]], device=model.device)
            logits[text[:-1]] = model(input_ids=ids, use_cache=False).logits[0, len(row.prompt) - 1 :]
        results.append(_sum(_token_values(logits[text[:-1]], range(len(text)), text)))
    return tuple(results)
