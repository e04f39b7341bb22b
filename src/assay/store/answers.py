"""What models answered, kept as it came: JSON lines, so that another way of reading them asks nobody again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from assay.core.completions import Completion, Likelihood, NotCompleted
from assay.core.errors import StoreError
from assay.store.atomic import write_bytes


@dataclass(frozen=True)
class AnswerRow:
    """What a model answered to one question."""

    id: str
    """Of the sample that holds the question."""
    prompt: str
    """Digest of everything that the model was given."""
    texts: tuple[str, ...] = ()
    """What it wrote last, one a sample."""
    thinking: tuple[str, ...] = ()
    """What it wrote before, in the first of two calls."""
    ends: tuple[str, ...] = ()
    """How each of `texts` ended."""
    likelihoods: tuple[Likelihood, ...] = ()
    """One a choice, where nothing was written."""
    lack: str = ""
    """Why there is no answer, in a word; empty where there is one."""
    reason: str = ""
    tokens: int | None = 0
    """Generated; None where the service did not say."""
    dollars: float | None = 0.0
    """Paid; None where the price is not known."""
    seconds: float = 0.0
    """Its share of the time that its part took."""


def answer_row(
    id_: str,
    prompt: str,
    calls: Sequence[Completion | NotCompleted],
    *,
    final: Sequence[Completion | NotCompleted] | None = None,
    thinking: Sequence[str] = (),
    likelihoods: Sequence[Likelihood] = (),
    failure: NotCompleted | None = None,
) -> AnswerRow:
    """Row of the calls about one question; without texts and likelihoods if a call failed.

    Args:
        id_: Id of the sample that holds the question.
        prompt: Digest of the prompts.
        calls: All calls; tokens and cost are summed over them.
        final: The calls whose texts are the answers; all calls if None.
        thinking: Reasoning of the first of two calls.
        likelihoods: Likelihoods of the choices, if they were compared.
        failure: A failure that is not among `calls`.
    """
    failure = next((one for one in calls if isinstance(one, NotCompleted)), failure)
    answers = [answer for one in calls if isinstance(one, Completion) for answer in one.answers]
    last = answers if final is None else [a for one in final if isinstance(one, Completion) for a in one.answers]
    tokens = [answer.tokens for answer in answers]
    known = [count for count in tokens if count is not None]
    return AnswerRow(
        id_,
        prompt,
        texts=tuple(answer.text for answer in last) if failure is None else (),
        thinking=tuple(thinking),
        ends=tuple(answer.end for answer in last) if failure is None else (),
        likelihoods=tuple(likelihoods) if failure is None else (),
        lack=failure.lack if failure is not None else "",
        reason=failure.reason if failure is not None else "",
        tokens=sum(known) if len(known) == len(tokens) else None,
        dollars=calls_cost(calls),
    )


def calls_cost(calls: Sequence[Completion | NotCompleted]) -> float | None:
    """Cost of the calls that were not cached, in dollars; None if a price is unknown."""
    paid = [0.0 if isinstance(one, Completion) and one.cached else one.dollars for one in calls]
    known = [one for one in paid if one is not None]
    return sum(known, 0.0) if len(known) == len(paid) else None


def write_answers(path: Path, rows: Sequence[AnswerRow]) -> None:
    """Writes one part, whole or not at all.

    Raises:
        StoreError: The disk is full, or the path cannot be written.
    """
    encoder = msgspec.json.Encoder()
    write_bytes(path, b"".join(encoder.encode(row) + b"\n" for row in rows))


def read_answers(path: Path) -> list[AnswerRow]:
    """The rows of one part.

    Raises:
        StoreError: It is missing or damaged.
    """
    decoder = msgspec.json.Decoder(AnswerRow)
    try:
        return [decoder.decode(line) for line in path.read_bytes().splitlines()]
    except (OSError, msgspec.DecodeError) as error:
        raise StoreError(f"{path} cannot be read as answers: {error}.") from error
