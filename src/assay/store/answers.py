"""Stored answers of models, as JSON lines, so that changed answer extraction needs no new requests."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec

from assay.core.completions import Answer, Completion, Likelihood, NotCompleted
from assay.core.errors import StoreError
from assay.store.atomic import write_bytes


@dataclass(frozen=True)
class StoredAnswer:
    """Answers of a model to one question."""

    id: str
    """Id of the question's sample."""
    prompt: str
    """Digest of the whole request."""
    texts: tuple[str, ...] = ()
    """Final texts, one per sampled answer."""
    thinking: tuple[str, ...] = ()
    """Texts of the first of two calls (reasoning)."""
    ends: tuple[str, ...] = ()
    """End reason of each of `texts`."""
    likelihoods: tuple[Likelihood, ...] = ()
    """One per choice, if the model scored choices."""
    lack: str = ""
    """Cause of a missing answer; empty if there is one."""
    reason: str = ""
    tokens: int | None = 0
    """Generated tokens; None if the service did not report them."""
    dollars: float | None = 0.0
    """Cost; None if the price is not known."""
    seconds: float = 0.0
    """Time of the batch divided by its size."""


def answer_row(
    id_: str,
    prompt: str,
    calls: Sequence[Completion | NotCompleted],
    *,
    final: Sequence[Completion | NotCompleted] | None = None,
    thinking: Sequence[str] = (),
    likelihoods: Sequence[Likelihood] = (),
) -> StoredAnswer:
    """Row of the calls about one question; without texts and likelihoods if a call failed.

    Args:
        id_: Id of the sample that holds the question.
        prompt: Digest of the prompts.
        calls: All calls; tokens and cost are summed over them.
        final: The calls whose texts are the answers; all calls if None.
        thinking: Reasoning of the first of two calls.
        likelihoods: Likelihoods of the choices, if they were compared.
    """
    tokens = [answer.tokens for answer in _answers(calls)]
    row = StoredAnswer(
        id_,
        prompt,
        thinking=tuple(thinking),
        tokens=None if None in tokens else sum(count for count in tokens if count is not None),
        dollars=calls_cost(calls),
    )
    failure = next((call for call in calls if isinstance(call, NotCompleted)), None)
    if failure is not None:
        return replace(row, lack=failure.lack, reason=failure.reason)
    answers = _answers(calls if final is None else final)
    return replace(
        row,
        texts=tuple(answer.text for answer in answers),
        ends=tuple(answer.end for answer in answers),
        likelihoods=tuple(likelihoods),
    )


def _answers(calls: Sequence[Completion | NotCompleted]) -> list[Answer]:
    return [answer for call in calls if isinstance(call, Completion) for answer in call.answers]


def calls_cost(calls: Sequence[Completion | NotCompleted]) -> float | None:
    """Cost of the calls that were not cached, in dollars; None if a price is unknown."""
    costs = [0.0 if isinstance(call, Completion) and call.cached else call.dollars for call in calls]
    return None if None in costs else sum((cost for cost in costs if cost is not None), 0.0)


def write_answers(path: Path, rows: Sequence[StoredAnswer]) -> None:
    """Write one file of answers atomically.

    Raises:
        StoreError: The disk is full, or the path cannot be written.
    """
    encoder = msgspec.json.Encoder()
    write_bytes(path, b"".join(encoder.encode(row) + b"\n" for row in rows))


def read_answers(path: Path) -> list[StoredAnswer]:
    """Read one file of answers.

    Raises:
        StoreError: The file is missing or damaged.
    """
    decoder = msgspec.json.Decoder(StoredAnswer)
    try:
        return [decoder.decode(line) for line in path.read_bytes().splitlines()]
    except (OSError, msgspec.DecodeError) as error:
        raise StoreError(f"{path} is not a readable file of answers: {error}.") from error


_PART = re.compile(r"part-(\d{5,})\.jsonl")


@dataclass(frozen=True)
class AnswerLog:
    """Append-only folder of answer files; the caller must hold the lock of the run folder."""

    folder: Path

    def read(self) -> dict[str, StoredAnswer]:
        """Answers by id; of several the last one.

        Raises:
            StoreError: A file is damaged.
        """
        return {row.id: row for _, path in self._parts() for row in read_answers(path)}

    def add(self, rows: Sequence[StoredAnswer]) -> None:
        """Append a file of answers.

        Raises:
            StoreError: The disk is full, or the folder cannot be written.
        """
        number = max((number for number, _ in self._parts()), default=-1) + 1
        write_answers(self.folder / f"part-{number:05d}.jsonl", rows)

    def _parts(self) -> list[tuple[int, Path]]:
        matches = ((_PART.fullmatch(path.name), path) for path in self.folder.iterdir())
        return sorted((int(match[1]), path) for match, path in matches if match)
