"""How probable texts of any length are: whole where they fit into the model, else by a window that slides over them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from assay.core.errors import ModelError
from assay.core.model_kinds import TextModel, TokenModel
from assay.text.decoding.perplexity import token_windows

PART = 64
"""Windows that are asked together: a long text is thousands of them."""


@dataclass(frozen=True)
class Rolled:
    """A text's log-probabilities, and how it was read."""

    values: tuple[float | None, ...]
    """Natural logarithms, one a token; None for one that nothing stands before."""
    windows: int
    """More than one where the text was longer than the window."""
    window: int | None
    """Most tokens in a window; None where the model has no end."""
    stride: int | None
    """Tokens from one window's begin to the next one's; None where there is but one window."""


def rolled(
    model: TextModel,
    texts: Sequence[str],
    *,
    window: int | None = None,
    stride: int | None = None,
    heard: Callable[[int, int], None] = lambda done, total: None,
) -> list[Rolled]:
    """Log-probabilities of each text, by windows where it is longer than one.

    Args:
        model: Any language model that says how probable a text is.
        texts: Of any length, if the model shows tokens (all that run on this machine do).
        window: Tokens; as many as the model takes where None. Fewer are quicker, and what is farther off is not seen.
        stride: Tokens; half a window where None. Fewer give each token more to follow, and cost more: a text of n
            tokens takes about n * window / stride.
        heard: Told how many windows are read, and of how many, after each part of them.

    Source: Hugging Face, "Perplexity of fixed-length models". Windows of all texts are asked `PART` at once.

    Raises:
        ModelError: The model cannot say, the window is larger than its context, or the stride is not smaller than it.
    """
    if not model.means.log_probs:
        raise ModelError(
            "This model does not say how probable a text is.", hint="An open model does: embedded:smollm2."
        )
    if not isinstance(model, TokenModel):
        return [Rolled(one.values, 1, model.means.context, None) for one in model.log_probs(texts)]
    size, step = _settled(model, window, stride)
    rows = [model.tokens_of(text) for text in texts]
    cut = [token_windows(len(row), size or max(2, len(row)), step or 1) for row in rows]
    asked = [(row[one.begin : one.end], one.last) for row, own in zip(rows, cut, strict=True) for one in own]
    given: list[Sequence[float]] = []
    for start in range(0, len(asked), PART):
        part = asked[start : start + PART]
        given += model.token_log_probs([row for row, _ in part], [last for _, last in part])
        heard(len(given), len(asked))
    told, found = iter(given), []
    for row, own in zip(rows, cut, strict=True):
        values = [value for _ in own for value in next(told)]
        found.append(Rolled((None, *values) if row else (), len(own), size, step))
    return found


def _settled(model: TokenModel, window: int | None, stride: int | None) -> tuple[int | None, int | None]:
    """Window and stride with nothing left open but by a model without end.

    Raises:
        ModelError: They do not go with the model or with each other.
    """
    longest = model.longest
    if window is not None and longest is not None and window > longest:
        raise ModelError(f"A window of {window} tokens is too long for the model, which takes {longest}.")
    size = window or longest
    if size is None:
        return None, None
    step = stride or max(1, size // 2)
    if not 1 <= step < size:
        raise ModelError(
            f"A stride of {step} does not go with a window of {size} tokens: a token would have nothing before it.",
            hint=f"It must be 1 to {size - 1}; half a window is usual.",
        )
    return size, step
