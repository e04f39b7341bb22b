"""Report page comparing decoding strategies on one prompt, token by token."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import exp
from typing import Any

from markupsafe import Markup

from assay.analysis.format import percent, plural
from assay.core.completions import Message
from assay.core.decoding import Decoding
from assay.core.model_kinds import SteppedModel
from assay.decoding.lattice import MARK, MEANING, lattice
from assay.report.template import TEMPLATES, fill
from assay.text.decoding.reference import decode
from assay.text.decoding.traces import Decoded, Step, Trace

STEPS = 40
"""Tokens of an answer that are drawn; the rest is in its text."""


@dataclass(frozen=True)
class Tried:
    """One way of decoding, and what it gave."""

    name: str
    """Such as "beam:4"."""
    trace: Trace
    seconds: float | None = None
    """All calls of the model together; None where not measured."""


@dataclass(frozen=True)
class Tries:
    """All that the page shows."""

    prompt: str
    tried: tuple[Tried, ...]
    tokens: Mapping[int, str]
    """Text of every token id in the traces; one that lacks is shown as its number."""
    model: str = ""
    """Whose probabilities they are."""


@dataclass(frozen=True)
class Bar:
    """A token that might have come next, on the page."""

    token: str
    probability: float
    chance: float
    css: str
    """What became of it: chosen, cut or neither."""
    said: str
    """The number beside the bars."""


@dataclass(frozen=True)
class Cell:
    """One step of one answer, on the page."""

    bars: tuple[Bar, ...]
    drawn: bool
    """Whether by lot, so that chances are worth a bar."""
    note: str


def render_decoding(tries: Tries) -> str:
    """The whole page as HTML, with nothing to fetch. Write it with UTF-8.

    Of several sampled answers the steps of the first are drawn; the texts of all stand in the table.
    """
    chains = [one for one in tries.tried if one.trace.decoding.strategy != "beam"]
    beams = [one for one in tries.tried if one.trace.decoding.strategy == "beam"]
    spell = _speller(tries.tokens)
    values = {
        "tries": tries,
        "style": Markup(
            "\n".join((TEMPLATES / name).read_text(encoding="utf-8") for name in ("style.css", "decoding.css"))
        ),
        "rows": [
            (one, nth, answer, _text(answer, spell)) for one in tries.tried for nth, answer in _numbered(one.trace)
        ],
        "best": _best(tries, spell),
        "explained": [(one.name, explain(one.trace.decoding)) for one in tries.tried],
        "chains": chains,
        "steps": _table(chains, spell),
        "deepest": STEPS,
        "left_out": any(len(one.trace.answers[0].steps) > STEPS for one in chains),
        "beams": [(one, lattice(one.trace, spell, STEPS), _by_length(one.trace.decoding)) for one in beams],
        "kinds": [(kind, meaning, MARK.get((kind, kind == "ended"), "")) for kind, meaning in MEANING.items()],
    }
    return str(fill("decoding.html", values))


def visible(text: str) -> str:
    """Spaces and line breaks as signs, and what cannot be printed as its code: a token such as " the" as "␣the"."""
    signs = {" ": "␣", "\n": "↵", "\t": "⇥"}
    shown = (signs.get(sign) or (sign if sign.isprintable() else f"\\x{ord(sign):02x}") for sign in text)
    return "".join(shown) or "∅"


def explain(decoding: Decoding) -> str:
    """One or two sentences for somebody who sees this way for the first time."""
    if decoding.strategy == "greedy":
        said = (
            "Takes the most probable token each time. Cheap, and always the same; but a token that is best now may "
            "lead to a text that is less probable as a whole."
        )
    elif decoding.strategy == "beam":
        said = (
            f"Keeps the {decoding.beams} most probable beginnings (beams), goes on from each with every token, and "
            f"keeps the {decoding.beams} best of all that came out. So a beginning that looks worse at first can still "
            f"win, at about {decoding.beams} times the work of greedy. Of the texts that ended, the one with the best "
            f"sum of log-probabilities wins, {_by_length(decoding)}."
        )
    else:
        said = " ".join(["Draws each token by lot.", *_cuts(decoding)])
    if decoding.repetition_penalty != 1:
        said += f" Tokens that were there already are first made {_rarer(decoding.repetition_penalty)}."
    return said


def _rarer(penalty: float) -> str:
    return f"{'less' if penalty > 1 else 'more'} probable (repetition penalty {penalty:g})"


def _by_length(decoding: Decoding) -> str:
    alpha = decoding.length_penalty
    if alpha in (0, 1):
        return "divided by length" if alpha else "whatever the length"
    return f"divided by length to the power of {alpha:g} (length penalty; higher favors longer texts)"


def _cuts(decoding: Decoding) -> list[str]:
    heat = decoding.temperature
    leaning = "sharpens the odds: the probable become more so" if heat < 1 else "evens the odds: the rare get a chance"
    said = (
        (heat != 1, f"Temperature {heat:g} {leaning}."),
        (decoding.top_k > 0, f"Only the {decoding.top_k} most probable tokens take part (top-k)."),
        (
            decoding.top_p < 1,
            f"Only the fewest tokens that together hold {100 * decoding.top_p:g}% take part (top-p).",
        ),
        (
            decoding.min_p > 0,
            f"Only tokens at least {100 * decoding.min_p:g}% as probable as the most probable one take part (min-p).",
        ),
    )
    return [sentence for holds, sentence in said if holds] or ["Each is as likely as the model says; none is cut."]


def _numbered(trace: Trace) -> list[tuple[int, Decoded]]:
    """Answers with their number, 0 where there is one only."""
    return [(nth if len(trace.answers) > 1 else 0, answer) for nth, answer in enumerate(trace.answers, 1)]


def _best(tries: Tries, spell: Callable[[int], str]) -> dict[str, str] | None:
    """The most probable answer of all."""
    found = [(answer.log_prob, one.name, answer) for one in tries.tried for answer in one.trace.answers]
    if not found:
        return None
    log_prob, name, answer = max(found, key=lambda one: one[0])
    return {"name": name, "text": _text(answer, spell), "odds": _odds(log_prob)}


def _text(answer: Decoded, spell: Callable[[int], str]) -> str:
    return "".join(map(spell, answer.ids)) if answer.text is None else answer.text


def _speller(tokens: Mapping[int, str]) -> Callable[[int], str]:
    return lambda token: visible(tokens[token]) if token in tokens else f"#{token}"


def _table(chains: Sequence[Tried], spell: Callable[[int], str]) -> list[list[Cell | None]]:
    """A row a step, a column a way of decoding; None where an answer has ended."""
    answers = [one.trace.answers[0] for one in chains]
    deepest = min(STEPS, max((len(answer.steps) for answer in answers), default=0))
    return [
        [
            _cell(answer.steps[nth], one.trace.decoding, spell) if nth < len(answer.steps) else None
            for one, answer in zip(chains, answers, strict=True)
        ]
        for nth in range(deepest)
    ]


def _cell(step: Step, decoding: Decoding, spell: Callable[[int], str]) -> Cell:
    greedy = decoding.strategy == "greedy"
    bars = []
    for one in step.candidates:
        cut = not greedy and one.chance == 0
        css = "chosen" if one.token == step.chosen else "cut" if cut else ""
        said = "cut" if cut else _share(one.probability if greedy else one.chance)
        bars.append(Bar(spell(one.token), one.probability, one.chance, css, said))
    after = " after the penalty" if decoding.repetition_penalty != 1 else ""
    note = f"takes the best{after}" if greedy else f"drawn from {plural(step.open, 'token')}"
    return Cell(tuple(bars), not greedy, note)


def _odds(log_prob: float) -> str:
    """How often something so probable happens; e ** -46 is one in 10 ** 20, and nobody reads on from there."""
    if log_prob < -46:
        return "practically never"
    once_in = exp(-log_prob)
    return f"once in {once_in:,.1f} times" if once_in < 9.95 else f"once in {once_in:,.0f} times"


def _share(share: float) -> str:
    return percent(share, 0 if share >= 0.0995 else 1)


def tries(
    model: SteppedModel, prompt: str, ways: Sequence[tuple[str, Decoding]], name: str, *, chat: bool = False
) -> Tries:
    """Every way on one prompt, and what each token is called.

    `chat`: the prompt is a user's message, and goes through the model's chat template.
    """
    ids = model.ids_of((Message("user", prompt),) if chat else prompt)
    tried, seen = [], set(ids)
    for said, decoding in ways:
        started = time.perf_counter()
        trace = decode(model.next_logits, ids, decoding, eos=model.ends, detokenize=model.spell)
        tried.append(Tried(said, trace, time.perf_counter() - started))
        seen |= _tokens(trace)
    return Tries(prompt, tuple(tried), {token: model.spell([token]) for token in sorted(seen)}, name)


def as_data(found: Tries) -> list[dict[str, Any]]:
    """For programs: each way's answers, what they cost, and how probable they are."""
    return [
        {
            "strategy": tried.name,
            "answers": [
                {"text": answer.text, "end": answer.end, "tokens": len(answer.ids), "log_prob": answer.log_prob}
                for answer in tried.trace.answers
            ],
            "calls": tried.trace.calls,
            "rows": tried.trace.rows,
            "seconds": tried.seconds,
        }
        for tried in found.tried
    ]


def _tokens(trace: Trace) -> set[int]:
    """Every token that the page may name."""
    steps = [step for answer in trace.answers for step in answer.steps]
    found = {candidate.token for step in steps for candidate in step.candidates} | {step.chosen for step in steps}
    found |= {branch.token for row in trace.rounds for branch in row}
    return found | {token for answer in trace.answers for token in answer.ids}
