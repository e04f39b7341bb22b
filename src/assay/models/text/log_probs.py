"""Log-probabilities of texts: with a sliding window for long ones, and their expected mean and variance."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from assay.core.completions import TokenMoments
from assay.core.errors import ModelError
from assay.core.model_kinds import TextModel, TokenModel
from assay.text.decoding.perplexity import token_windows

if TYPE_CHECKING:
    import torch

WINDOWS_AT_ONCE = 64
"""Windows in one call of the model: a long text has thousands."""


@dataclass(frozen=True)
class WindowedLogProbs:
    """Log-probabilities of a text and the windows that were used."""

    values: tuple[float | None, ...]
    """Natural logarithms, one for each token; None for a token without context."""
    windows: int
    """Number of windows."""
    window: int | None
    """Maximum tokens in a window; None if the model has no limit."""
    stride: int | None
    """Tokens between the starts of two windows; None if texts are not split."""


def windowed_log_probs(
    model: TextModel,
    texts: Sequence[str],
    *,
    window: int | None = None,
    stride: int | None = None,
    on_progress: Callable[[int, int], None] = lambda count, total: None,
) -> list[WindowedLogProbs]:
    """Log-probabilities of each text, with sliding windows if it is longer than one.

    Args:
        model: A language model that computes log-probabilities.
        texts: Of any length if the model is a `TokenModel`, as all local ones are.
        window: Tokens; None for the model's maximum. Smaller is faster, with less context.
        stride: Tokens; None for half a window. Smaller gives each token more context and costs more: about
            n * window / stride for n tokens.
        on_progress: Called with the number of windows done and their total.

    Source: Hugging Face, "Perplexity of fixed-length models".

    Raises:
        ModelError: The model has no log-probabilities, the window exceeds its context, or the stride is not smaller
            than the window.
    """
    if not model.means.log_probs:
        raise ModelError("This model does not compute log-probabilities.", hint="An open model does: embedded:smollm2.")
    if not isinstance(model, TokenModel):
        return [WindowedLogProbs(text.values, 1, model.means.context, None) for text in model.log_probs(texts)]
    size, step = _resolve_window(model, window, stride)
    rows = [model.tokens_of(text) for text in texts]
    spans = [token_windows(len(row), size or max(2, len(row)), step or 1) for row in rows]
    inputs = [
        (row[span.begin : span.end], span.last)
        for row, row_spans in zip(rows, spans, strict=True)
        for span in row_spans
    ]
    values: list[Sequence[float]] = []
    for start in range(0, len(inputs), WINDOWS_AT_ONCE):
        part = inputs[start : start + WINDOWS_AT_ONCE]
        values += model.token_log_probs([row for row, _ in part], [last for _, last in part])
        on_progress(len(values), len(inputs))
    remaining, results = iter(values), []
    for row, row_spans in zip(rows, spans, strict=True):
        joined = [value for _ in row_spans for value in next(remaining)]
        results.append(WindowedLogProbs((None, *joined) if row else (), len(row_spans), size, step))
    return results


def _resolve_window(model: TokenModel, window: int | None, stride: int | None) -> tuple[int | None, int | None]:
    """Window and stride with defaults filled in; None for a model without a limit.

    Raises:
        ModelError: The window exceeds the model's maximum, or the stride is not smaller than the window.
    """
    longest = model.longest
    if window is not None and longest is not None and window > longest:
        raise ModelError(
            f"A window of {window} tokens exceeds the model's maximum of {longest}.", window=window, maximum=longest
        )
    size = window or longest
    if size is None:
        return None, None
    step = stride or max(1, size // 2)
    if not 1 <= step < size:
        raise ModelError(
            f"A stride of {step} is invalid for a window of {size} tokens: a token would have no context.",
            hint=f"The stride must be 1 to {size - 1}; half a window is common.",
            window=size,
            stride=step,
        )
    return size, step


MOMENTS_PART = 128
"""Positions whose probabilities are in memory at once, in float64: 50 MB for a vocabulary of 50,000."""


LOG_SOFTMAX_PART = 256
"""Tokens in one log-softmax, which takes as much memory as the logits, and in 16 bit twice as much."""


def last_log_probs(model: Any, rows: Sequence[Sequence[int]], last: int) -> list[list[float]]:
    """Log-probabilities of the `last` last tokens of rows of one length, by a causal model of transformers."""
    import torch

    if not last:
        return [[] for _ in rows]
    ids = torch.tensor([list(row) for row in rows], device=model.device)
    with torch.inference_mode():
        logits = model(input_ids=ids, logits_to_keep=last + 1).logits[:, :-1].flatten(0, 1)
        targets = ids[:, -last:].flatten()
        parts = zip(torch.split(logits, LOG_SOFTMAX_PART), torch.split(targets, LOG_SOFTMAX_PART), strict=True)
        values = [
            part.float().log_softmax(-1).gather(1, part_targets[:, None]).squeeze(1) for part, part_targets in parts
        ]
    log_probs: list[list[float]] = torch.cat(values).view(len(rows), last).tolist()
    return log_probs


def token_moments(scorer: Any, writer: Any, ids: Sequence[int]) -> TokenMoments:
    """Log-probability of each token, and its mean and variance over the vocabulary under `writer`.

    Both are causal models of transformers with one vocabulary; they may be the same. Sums are in float64: over a
    vocabulary of 100,000 and hundreds of positions float32 loses the sixth digit.

    Source: Bao et al. 2024 (Fast-DetectGPT), section 2.3; baoguangsheng/fast-detect-gpt, scripts/fast_detect_gpt.py
    (`get_sampling_discrepancy_analytic`). If one model has more logits than the other, as with
    padded vocabularies, the rest is cut off as there.
    """
    import torch

    row = torch.tensor([list(ids)], device=scorer.device)
    with torch.inference_mode():
        scorer_logits = scorer(input_ids=row, use_cache=False).logits[0]
        writer_logits = scorer_logits
        if writer is not scorer:
            writer_logits = writer(input_ids=row.to(writer.device), use_cache=False).logits[0]
        width = min(scorer_logits.shape[-1], writer_logits.shape[-1])
        log_probs: list[float] = []
        means: list[float] = []
        variances: list[float] = []
        for start in range(0, len(ids), MOMENTS_PART):
            logs = _to_float64(scorer_logits[start : start + MOMENTS_PART, :width]).log_softmax(-1)
            probabilities = _to_float64(writer_logits[start : start + MOMENTS_PART, :width]).softmax(-1).to(logs.device)
            targets = torch.tensor(ids[start + 1 : start + 1 + MOMENTS_PART], device=logs.device)
            log_probs += logs[: len(targets)].gather(1, targets[:, None]).squeeze(1).tolist()
            mean = (probabilities * logs).sum(-1)
            means += mean.tolist()
            variances += (probabilities * (logs - mean[:, None]).square()).sum(-1).tolist()
    return TokenMoments(tuple(log_probs), tuple(means), tuple(variances))


def same_vocabulary(left: Any, right: Any) -> bool:
    """Whether two tokenizers map the same tokens to the same ids; special tokens of only one of them are ignored."""
    left_ids, right_ids = left.get_vocab(), right.get_vocab()
    common = left_ids.keys() & right_ids.keys()
    missing = (left_ids.keys() ^ right_ids.keys()) - {*left.all_special_tokens, *right.all_special_tokens}
    return not missing and all(left_ids[token] == right_ids[token] for token in common)


def _to_float64(logits: torch.Tensor) -> torch.Tensor:
    """In float64; on the CPU for MPS, which does not support it."""
    return (logits.cpu() if logits.device.type == "mps" else logits).double()
