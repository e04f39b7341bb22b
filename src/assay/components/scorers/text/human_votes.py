"""Human preference between two answers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, TypeAlias

from assay.components.scorers.contamination.evaluation_items import cached
from assay.core.completions import Message
from assay.core.errors import FieldError
from assay.core.lab import Lab
from assay.core.roles import Source, listing_of
from assay.core.sample import Sample
from assay.core.score import Outcome, Scale, Score, Unscored
from assay.text.instructions.dialogues import history_messages

Key: TypeAlias = tuple[str, frozenset[str]]
"""An instruction and an unordered pair of answers."""
Vote: TypeAlias = tuple[str, tuple[Message, ...], str]
"""Input and history of a vote, and the answer that won; `_TIE` for a tie."""
UNVOTED = Unscored("not_applicable", "There are no votes on these two answers.")
SAME = Score(0.5, "both answers are the same", {"same": 1.0})


@dataclass(frozen=True)
class HumanVotes:
    """Human preference for `first` over `second`: 1 better, 0 worse, 1/2 a tie.

    Votes are matched by the words of instruction and answers, in either order and whatever the spacing. A vote with an
    input matches only that input, and one with a history only that history. If more than half of the votes are for one
    answer, the score is the mean, in which a tie counts 1/2; otherwise it is 1/2. Pairs without votes are unscored.
    Evidence: `votes`, `first`, `second` and `ties`.

    The votes are samples with instruction, output_a, output_b and winner ("a", "b" or "tie"), and optionally input and
    history, as VotedPairs reads them.
    """

    votes: Source
    first: str = "output_a"
    """Field of the answer that is scored; `second` is the field of the other one."""
    second: str = "output_b"
    instruction: str = "instruction"
    input: str = "input"
    history: str = "history"

    version: ClassVar[int] = 1
    scale: ClassVar[Scale] = Scale("wins", 0.0, 1.0)

    def listing(self) -> str:
        """Digest of the files that the source reads."""
        return listing_of(self.votes)

    def score(self, samples: Sequence[Sample], lab: Lab) -> Sequence[Outcome]:
        """Return an outcome for each sample.

        Raises:
            FieldError: A sample lacks a text field, or a vote has no valid winner.
            UserError: The source cannot be read.
        """
        index = cached(self, self.listing(), lambda: _index(self.votes.read(lab)))
        return [self._outcome(sample, index) for sample in samples]

    def _outcome(self, sample: Sample, index: dict[Key, list[Vote]]) -> Outcome:
        first, second = (_normalized(sample.text(name)) for name in (self.first, self.second))
        if first == second:
            return SAME if first else Unscored("not_applicable", "Both answers are empty.")
        input_text = _normalized(sample.text(self.input)) if self.input in sample.fields else ""
        history = history_messages(sample, self.history)
        votes = index.get((_normalized(sample.text(self.instruction)), frozenset((first, second))), [])
        counts = Counter(
            winner
            for vote_input, vote_history, winner in votes
            if vote_input in ("", input_text) and vote_history in ((), history)
        )
        n = counts.total()
        if not n:
            return UNVOTED
        wins = {"first": float(counts[first]), "second": float(counts[second]), "ties": float(counts[_TIE])}
        evidence = {"votes": float(n), **wins}
        if 2 * max(counts[first], counts[second]) <= n:
            return Score(0.5, "no majority" if len(counts) > 1 else "", evidence)
        return Score((counts[first] + counts[_TIE] / 2) / n, "", evidence)


_TIE = "\0tie"
"""Marks a tie; it differs from every answer."""


def _index(votes: Sequence[Sample]) -> dict[Key, list[Vote]]:
    votes_by_key: dict[Key, list[Vote]] = {}
    for vote in votes:
        first, second = (_normalized(vote.text(name)) for name in ("output_a", "output_b"))
        winners = {"a": first, "b": second, "tie": _TIE}
        if (winner := vote.text("winner")) not in winners:
            raise FieldError(
                f"A vote's winner must be a, b or tie, was {winner!r} in {vote.fields.get('origin', vote.id)}."
            )
        input_text = _normalized(vote.text("input")) if "input" in vote.fields else ""
        key = _normalized(vote.text("instruction")), frozenset((first, second))
        votes_by_key.setdefault(key, []).append((input_text, history_messages(vote), winners[winner]))
    return votes_by_key


def _normalized(text: str) -> str:
    return " ".join(text.split())
