"""What every backend on this machine looks at before it asks its network."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from assay.core.completions import LogProbs, NotCompleted, TextRequest
from assay.core.decoding import Decoding
from assay.core.errors import ModelError
from assay.core.model_kinds import TokenModel


def refuse(
    requests: Sequence[TextRequest], why_not: Callable[[Decoding], str | None], reference: str, hint: str = ""
) -> None:
    """Refuses all requests if one cannot be decoded as it asks, which `why_not` says in words.

    Raises:
        ModelError: `why_not` gave a reason.
    """
    for request in requests:
        if (why := why_not(request.decoding)) is not None:
            raise ModelError(f"Model {reference!r} cannot answer: {why}.", hint=hint)


def beside_beams(decoding: Decoding) -> str | None:
    """What the beam searches of OpenVINO GenAI and vLLM refuse, ignore or answer wrongly, in words."""
    wrong = sorted(decoding.controls & {"repetition_penalty", "stop"}) if decoding.strategy == "beam" else []
    return f"its beam search takes no {', '.join(wrong)}" if wrong else None


def too_long(prompt: int, answer: int, context: int | None) -> NotCompleted | None:
    """Why a prompt and an answer of so many tokens have no room in a context; None where they have."""
    if context is None or prompt + answer <= context:
        return None
    reason = f"A prompt of {prompt} tokens and an answer of {answer} are more than the context of {context}."
    return NotCompleted("context", reason)


def check_lengths(rows: Sequence[Sequence[int]], most: int | None, reference: str) -> None:
    """Refuses texts of more than `most` tokens; None for no end.

    Raises:
        ModelError: One is longer.
    """
    longest = max(map(len, rows), default=0)
    if most is not None and longest > most:
        raise ModelError(f"A text of {longest} tokens is too long for model {reference!r}, which takes {most}.")


def log_probs_of(
    model: TokenModel, texts: Sequence[str], spell: Callable[[list[int]], Sequence[str]]
) -> list[LogProbs]:
    """`TextModel.log_probs` by a model that says it of tokens; `spell` gives tokens as the tokenizer writes them."""
    rows = [model.tokens_of(text) for text in texts]
    given = model.token_log_probs(rows, [max(0, len(row) - 1) for row in rows])
    return [
        LogProbs(tuple(spell(row)), (None, *values) if row else ()) for row, values in zip(rows, given, strict=True)
    ]
