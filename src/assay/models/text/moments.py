"""What was to be expected of a text's tokens: mean and variance of log-probability over all that could stand there."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from assay.core.completions import TokenMoments

if TYPE_CHECKING:
    import torch

PART = 128
"""Places whose probabilities are held at once, in float64: 50 MB for 50,000 tokens."""


def moments(scorer: Any, writer: Any, ids: Sequence[int]) -> TokenMoments:
    """Of one row of tokens, by two causal models of transformers with the same tokens; they may be one.

    The sums are taken in float64: over a hundred thousand tokens and hundreds of places float32 loses the sixth digit.

    Source: Bao et al. 2024 (Fast-DetectGPT), section 2.3; baoguangsheng/fast-detect-gpt, scripts/fast_detect_gpt.py
    (`get_sampling_discrepancy_analytic`). Where one of the models has more logits than the other, as some are padded,
    the rest is cut off as there.
    """
    import torch

    row = torch.tensor([list(ids)], device=scorer.device)
    with torch.inference_mode():
        scored = scorer(input_ids=row, use_cache=False).logits[0]
        written = scored if writer is scorer else writer(input_ids=row.to(writer.device), use_cache=False).logits[0]
        width = min(scored.shape[-1], written.shape[-1])
        log_probs: list[float] = []
        means: list[float] = []
        variances: list[float] = []
        for start in range(0, len(ids), PART):
            logs = _doubled(scored[start : start + PART, :width]).log_softmax(-1)
            shares = _doubled(written[start : start + PART, :width]).softmax(-1).to(logs.device)
            own = torch.tensor(ids[start + 1 : start + 1 + PART], device=logs.device)
            log_probs += logs[: len(own)].gather(1, own[:, None]).squeeze(1).tolist()
            mean = (shares * logs).sum(-1)
            means += mean.tolist()
            variances += (shares * (logs - mean[:, None]).square()).sum(-1).tolist()
    return TokenMoments(tuple(log_probs), tuple(means), tuple(variances))


def same_tokens(one: Any, other: Any) -> bool:
    """Whether two tokenizers have the same words by the same numbers; special ones that only one has do not count."""
    words, theirs = one.get_vocab(), other.get_vocab()
    common = words.keys() & theirs.keys()
    lacking = (words.keys() ^ theirs.keys()) - {*one.all_special_tokens, *other.all_special_tokens}
    return not lacking and all(words[word] == theirs[word] for word in common)


def _doubled(logits: torch.Tensor) -> torch.Tensor:
    """In float64, for which Apple's graphics have no room."""
    return (logits.cpu() if logits.device.type == "mps" else logits).double()
