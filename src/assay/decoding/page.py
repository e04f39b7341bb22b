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
from assay.text.decoding.generation import Decoded, Step, Trace
from assay.text.decoding.reference import decode

STEPS = 40
"""Maximum number of decoding steps on the page; the text of an answer is complete."""


@dataclass(frozen=True)
class StrategyRun:
    """One decoding strategy with its trace."""

    name: str
    """Such as "beam:4"."""
    trace: Trace
    seconds: float | None = None
    """Total time of the model calls; None if not measured."""


@dataclass(frozen=True)
class StrategyComparison:
    """Traces of several decoding strategies on one prompt."""

    prompt: str
    runs: tuple[StrategyRun, ...]
    tokens: Mapping[int, str]
    """Text of every token id in the traces; a missing one is shown as its number."""
    model: str = ""
    """Name of the model."""


@dataclass(frozen=True)
class Bar:
    """A candidate token of a step."""

    token: str
    probability: float
    chance: float
    css: str
    """CSS class: chosen, cut or neither."""
    label: str
    """Text beside the bars."""


@dataclass(frozen=True)
class Cell:
    """One decoding step of one answer."""

    bars: tuple[Bar, ...]
    drawn: bool
    """Whether the token was sampled, so that sampling probabilities are plotted."""
    note: str


def render_decoding(comparison: StrategyComparison) -> str:
    """Render the self-contained HTML page. Write it with UTF-8.

    Of several sampled answers the steps of the first are shown; the table has the texts of all.
    """
    chains = [run for run in comparison.runs if run.trace.decoding.strategy != "beam"]
    beams = [run for run in comparison.runs if run.trace.decoding.strategy == "beam"]
    spell = _speller(comparison.tokens)
    values = {
        "tries": comparison,
        "style": Markup(
            "\n".join((TEMPLATES / name).read_text(encoding="utf-8") for name in ("style.css", "decoding.css"))
        ),
        "rows": [
            (run, nth, answer, _text(answer, spell)) for run in comparison.runs for nth, answer in _numbered(run.trace)
        ],
        "best": _best(comparison, spell),
        "explained": [(run.name, explain(run.trace.decoding)) for run in comparison.runs],
        "chains": chains,
        "steps": _table(chains, spell),
        "deepest": STEPS,
        "left_out": any(len(run.trace.answers[0].steps) > STEPS for run in chains),
        "beams": [(run, lattice(run.trace, spell, STEPS), _by_length(run.trace.decoding)) for run in beams],
        "kinds": [(kind, meaning, MARK.get((kind, kind == "ended"), "")) for kind, meaning in MEANING.items()],
    }
    return str(fill("decoding.html", values))


def visible(text: str) -> str:
    """Replace whitespace by symbols and unprintable characters by their codes: " the" is "␣the"."""
    signs = {" ": "␣", "\n": "↵", "\t": "⇥"}
    symbols = (signs.get(sign) or (sign if sign.isprintable() else f"\\x{ord(sign):02x}") for sign in text)
    return "".join(symbols) or "∅"


def explain(decoding: Decoding) -> str:
    """Explain a decoding strategy in one to three sentences."""
    if decoding.strategy == "greedy":
        text = (
            "Selects the most probable token at each step. Deterministic and cheap, but the resulting text need not be "
            "the most probable one."
        )
    elif decoding.strategy == "beam":
        text = (
            f"Keeps the {decoding.beams} most probable partial texts (beams), extends each by every token, and keeps "
            f"the {decoding.beams} best extensions, at about {decoding.beams} times the cost of greedy decoding. The "
            f"finished text with the highest sum of log-probabilities is returned, {_by_length(decoding)}."
        )
    else:
        text = " ".join(["Samples each token.", *_cuts(decoding)])
    if decoding.repetition_penalty != 1:
        text += f" Tokens that occurred before are made {_rarer(decoding.repetition_penalty)} first."
    return text


def _rarer(penalty: float) -> str:
    return f"{'less' if penalty > 1 else 'more'} probable (repetition penalty {penalty:g})"


def _by_length(decoding: Decoding) -> str:
    alpha = decoding.length_penalty
    if alpha in (0, 1):
        return "divided by length" if alpha else "without length normalization"
    return f"divided by length to the power of {alpha:g} (length penalty; higher favors longer texts)"


def _cuts(decoding: Decoding) -> list[str]:
    heat = decoding.temperature
    effect = "sharpens the distribution" if heat < 1 else "flattens the distribution"
    sentences = (
        (heat != 1, f"Temperature {heat:g} {effect}."),
        (decoding.top_k > 0, f"Only the {decoding.top_k} most probable tokens are sampled (top-k)."),
        (
            decoding.top_p < 1,
            f"Only the smallest set of tokens with total probability {100 * decoding.top_p:g}% is sampled (top-p).",
        ),
        (
            decoding.min_p > 0,
            f"Only tokens with at least {100 * decoding.min_p:g}% of the highest probability are sampled (min-p).",
        ),
    )
    return [sentence for applies, sentence in sentences if applies] or ["The distribution of the model is not changed."]


def _numbered(trace: Trace) -> list[tuple[int, Decoded]]:
    """Answers with their number, 0 for a single answer."""
    return [(nth if len(trace.answers) > 1 else 0, answer) for nth, answer in enumerate(trace.answers, 1)]


def _best(comparison: StrategyComparison, spell: Callable[[int], str]) -> dict[str, str] | None:
    """The most probable answer of all."""
    candidates = [(answer.log_prob, run.name, answer) for run in comparison.runs for answer in run.trace.answers]
    if not candidates:
        return None
    log_prob, name, answer = max(candidates, key=lambda candidate: candidate[0])
    return {"name": name, "text": _text(answer, spell), "odds": _odds(log_prob)}


def _text(answer: Decoded, spell: Callable[[int], str]) -> str:
    return "".join(map(spell, answer.ids)) if answer.text is None else answer.text


def _speller(tokens: Mapping[int, str]) -> Callable[[int], str]:
    return lambda token: visible(tokens[token]) if token in tokens else f"#{token}"


def _table(chains: Sequence[StrategyRun], spell: Callable[[int], str]) -> list[list[Cell | None]]:
    """One row per step and one column per strategy; None after the end of an answer."""
    answers = [run.trace.answers[0] for run in chains]
    deepest = min(STEPS, max((len(answer.steps) for answer in answers), default=0))
    return [
        [
            _cell(answer.steps[nth], run.trace.decoding, spell) if nth < len(answer.steps) else None
            for run, answer in zip(chains, answers, strict=True)
        ]
        for nth in range(deepest)
    ]


def _cell(step: Step, decoding: Decoding, spell: Callable[[int], str]) -> Cell:
    greedy = decoding.strategy == "greedy"
    bars = []
    for candidate in step.candidates:
        excluded = not greedy and candidate.chance == 0
        css = "chosen" if candidate.token == step.chosen else "cut" if excluded else ""
        label = "cut" if excluded else _share(candidate.probability if greedy else candidate.chance)
        bars.append(Bar(spell(candidate.token), candidate.probability, candidate.chance, css, label))
    after = " after the penalty" if decoding.repetition_penalty != 1 else ""
    note = f"most probable{after}" if greedy else f"sampled from {plural(step.open, 'token')}"
    return Cell(tuple(bars), not greedy, note)


def _odds(log_prob: float) -> str:
    """Probability as "once in n times"; below e ** -46, about 10 ** -20, it is "practically never"."""
    if log_prob < -46:
        return "practically never"
    once_in = exp(-log_prob)
    return f"once in {once_in:,.1f} times" if once_in < 9.95 else f"once in {once_in:,.0f} times"


def _share(share: float) -> str:
    return percent(share, 0 if share >= 0.0995 else 1)


def compare_strategies(
    model: SteppedModel, prompt: str, strategies: Sequence[tuple[str, Decoding]], name: str, *, chat: bool = False
) -> StrategyComparison:
    """Decode one prompt with several strategies.

    `chat`: the prompt is a user message, and the chat template of the model is applied.
    """
    ids = model.ids_of((Message("user", prompt),) if chat else prompt)
    runs, seen = [], set(ids)
    for label, decoding in strategies:
        started = time.perf_counter()
        trace = decode(model.next_logits, ids, decoding, eos=model.ends, detokenize=model.spell)
        runs.append(StrategyRun(label, trace, time.perf_counter() - started))
        seen |= _tokens(trace)
    return StrategyComparison(prompt, tuple(runs), {token: model.spell([token]) for token in sorted(seen)}, name)


def as_data(comparison: StrategyComparison) -> list[dict[str, Any]]:
    """Answers, log-probabilities and cost by strategy, as JSON."""
    return [
        {
            "strategy": run.name,
            "answers": [
                {"text": answer.text, "end": answer.end, "tokens": len(answer.ids), "log_prob": answer.log_prob}
                for answer in run.trace.answers
            ],
            "calls": run.trace.calls,
            "rows": run.trace.rows,
            "seconds": run.seconds,
        }
        for run in comparison.runs
    ]


def _tokens(trace: Trace) -> set[int]:
    """Ids of all tokens on the page."""
    steps = [step for answer in trace.answers for step in answer.steps]
    tokens = {candidate.token for step in steps for candidate in step.candidates} | {step.chosen for step in steps}
    tokens |= {branch.token for row in trace.rounds for branch in row}
    return tokens | {token for answer in trace.answers for token in answer.ids}
