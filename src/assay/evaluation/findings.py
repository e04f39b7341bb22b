"""Names, numbers and findings of an evaluation, in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal, TypeAlias

from assay.analysis.format import count, level, p_value, percent, plural
from assay.analysis.measures import between, gap, gap_between, value
from assay.core.effect import Effect
from assay.core.score import Outcome, Score, Unscored
from assay.evaluation.plan import EvalCell
from assay.evaluation.results import CellComparison, CellResult
from assay.evaluation.run import EvaluatedCell
from assay.report.document import Finding, Tone
from assay.stats.inference.intervals import wilson

DISPLAY_NAMES = {"mass": "probability mass of correct choices"}
"""Display names of metrics whose names need words."""


def names(cell: EvalCell) -> dict[str, str]:
    """Model, task, prompt and decoding of a cell."""
    parts = {"model": cell.model, "task": cell.task.name, "prompt": cell.setup.name}
    return {**parts, "decoding": decoding_name(cell)}


def decoding_name(cell: EvalCell) -> str:
    """Decoding as on the command line: "beam:4", "sample,top-p:0.9"."""
    decoding = cell.decoding
    if decoding is None:
        return "task default" if cell.task.harness is not None else "likelihood"
    parts = [decoding.strategy if decoding.strategy != "beam" else f"beam:{decoding.beams}"]
    parts += [f"{name.replace('_', '-')}:{getattr(decoding, name):g}" for name in sorted(decoding.controls - {"stop"})]
    return ",".join(parts)


def common_parts(cells: Sequence[EvalCell]) -> dict[str, str]:
    """Parts that all cells have in common."""
    named = [names(cell) for cell in cells]
    return {name: value for name, value in named[0].items() if all(row[name] == value for row in named)}


def short_name(cell: EvalCell, common: Mapping[str, str]) -> str:
    """Shortest distinct name of a cell; `common` are the parts common to all cells."""
    return " · ".join(value for name, value in names(cell).items() if name not in common) or cell.task.name


def metric_name(cell: EvalCell) -> str:
    """Display name of the metric of a cell."""
    return DISPLAY_NAMES.get(cell.metric.name, cell.metric.name)


def description(cell: EvalCell) -> str:
    """Description of the metric in a sentence; empty if the name is enough."""
    return cell.metric.description + (" Lower is better." if cell.metric.better == "lower" else "")


def is_proportion(result: CellResult | CellComparison) -> bool:
    """Whether the value is a proportion, shown in percent."""
    return result.kind == "proportion"


def compared_names(comparison: CellComparison) -> tuple[str, str, str]:
    """Names of both sides, and of the parts that they have in common."""
    ours, theirs = names(comparison.ours), names(comparison.theirs)
    differ = [name for name in ours if ours[name] != theirs[name] and name in (comparison.what, "decoding")]
    alike = " · ".join(part for name, part in ours.items() if name not in differ)
    return " ".join(ours[name] for name in differ), " ".join(theirs[name] for name in differ), alike


@dataclass(frozen=True)
class SubjectResult:
    """Accuracy of one subject in one cell."""

    name: str
    accuracy: Effect
    """Computed like the accuracy of the cell."""


def by_subject(evaluated: EvaluatedCell) -> tuple[SubjectResult, ...]:
    """Subjects in descending order of accuracy; empty with fewer than two."""
    groups: dict[str, list[float]] = {}
    for item, outcome in zip(evaluated.items, evaluated.outcomes, strict=True):
        if (value := question_value(outcome)) is not None:
            groups.setdefault(str(item.fields.get("subject", "")), []).append(value)
    if len(groups) < 2:
        return ()
    results = [SubjectResult(name or "no subject", wilson(sum(values), len(values))) for name, values in groups.items()]
    return tuple(sorted(results, key=lambda subject: (-subject.accuracy.estimate, subject.name)))


def question_value(outcome: Outcome) -> float | None:
    """Value of a question: 0 if unparsed, None if it has no answer."""
    if isinstance(outcome, Score):
        return outcome.value
    return 0.0 if isinstance(outcome, Unscored) and outcome.cause == "unparsed" else None


def truncated(evaluated: EvaluatedCell) -> int | None:
    """Number of answers truncated at the token limit; None if no text was generated."""
    return sum("length" in row.ends for row in evaluated.rows) if any(row.ends for row in evaluated.rows) else None


def more_data(evaluated: Sequence[EvaluatedCell], summary: Finding) -> dict[str, Any]:
    """Further fields of `results.json`: the finding, accuracy by subject, truncated answers."""
    lines = [({**names(entry.cell), "metric": metric_name(entry.cell)}, entry) for entry in evaluated]
    return {
        "finding": asdict(summary),
        "truncated": [{**named, "answers": truncated(entry), "n": len(entry.rows)} for named, entry in lines],
        "subjects": [
            {**named, "subjects": [{"name": subject.name, **asdict(subject.accuracy)} for subject in subjects]}
            for named, entry in lines
            if (subjects := by_subject(entry))
        ],
    }


ChanceComparison: TypeAlias = Literal["better", "worse", "no better"]
TONES: dict[str, Tone] = {"helped": "helped", "hurt": "hurt", "no significant difference": "unclear"}
WORDS = {"helped": "better", "hurt": "worse", "no significant difference": "no significant difference"}
"""Verdict in words, for comparisons of models and prompts."""
GUESSED: dict[ChanceComparison, Tone] = {"better": "helped", "worse": "hurt", "no better": "unclear"}
NAMED = 3
"""Maximum number of cells or differences named in the summary."""
MANY = 0.1
"""Proportion of unparsed or truncated answers from which the summary reports them."""


def finding(
    evaluated: Sequence[EvaluatedCell], results: Sequence[CellResult], compared: Sequence[CellComparison]
) -> Finding:
    """Summary of the comparisons, or of the cells if there are none, with the chance level."""
    if all(result.accuracy is None for result in results):
        text = f"None of {plural(sum(result.n for result in results), 'question')} was answered."
        return Finding("unclear", "No answers", (text,))
    tone, headline, first = _of_differences(compared) if compared else _of_cells(results)
    more = [
        first,
        _cell_list(results),
        chance_sentence(results),
        unparsed_sentence(results),
        truncated_sentence(evaluated),
    ]
    return Finding(tone, headline, tuple(sentence for sentence in more if sentence))


def against_chance(result: CellResult) -> ChanceComparison | None:
    """Comparison of a cell with the chance level; None without a chance level."""
    if result.accuracy is None or result.chance is None:
        return None
    if result.accuracy.low is not None and result.accuracy.low > result.chance:
        return "better"
    return "worse" if result.accuracy.high is not None and result.accuracy.high < result.chance else "no better"


def difference(comparison: CellComparison) -> str:
    """Describe one comparison in a sentence."""
    ours, theirs, alike = compared_names(comparison)
    effect = comparison.compared.effect
    what = {
        "helped": f"{ours} is better than {theirs}",
        "hurt": f"{ours} is worse than {theirs}",
        "no significant difference": f"No significant difference between {ours} and {theirs}",
    }[comparison.verdict]
    span = (
        f"{level(effect)} CI {gap_between(effect, is_proportion(comparison))}"
        if effect.low is not None
        else "no interval"
    )
    p = f", p = {p_value(comparison.compared.adjusted_p)} (Holm)" if comparison.compared.adjusted_p is not None else ""
    return (
        f"{what} on {alike}: {gap(effect, is_proportion(comparison))} ({span}{p.replace('= <', '<')}, "
        f"{plural(comparison.n, 'question')})."
    )


def caution(comparison: CellComparison) -> str:
    """Caveat about the interval of a difference; empty if there is none."""
    effect, exact = comparison.compared.effect, comparison.compared.mcnemar
    if exact is not None and not exact.ours_only + exact.theirs_only:
        return "Both sides agree on every question, so the interval has zero width and does not generalize."
    apart = effect.low is not None and effect.high is not None and (effect.low > 0 or effect.high < 0)
    if apart and comparison.verdict == "no significant difference":
        return "The unadjusted interval excludes zero, but the p-value adjusted for all comparisons is not significant."
    return ""


def chance_sentence(results: Sequence[CellResult]) -> str:
    """Number of cells above the chance level; empty without a chance level."""
    states = [(result, against_chance(result)) for result in results]
    rated = [(result, state) for result, state in states if state is not None]
    if not rated:
        return ""
    gives = dict.fromkeys(
        f"{percent(result.chance)} on {result.cell.task.name}" for result, _ in rated if result.chance is not None
    )
    better, worse = ([result for result, state in rated if state == target] for target in ("better", "worse"))
    text = f"Chance level {', '.join(gives)}: "
    if len(rated) == 1:
        return text + f"{_guess_words(rated[0][1])}."
    if not better:
        text += f"none of {len(rated)} cells is significantly better"
    elif len(better) == len(rated):
        text += "all cells are significantly better"
    else:
        text += f"{len(better)} of {len(rated)} cells are significantly better"
    return text + (f", and {len(worse)} worse." if worse else ".")


def unparsed_sentence(results: Sequence[CellResult]) -> str:
    """Unparsed answers and failures; empty if they are few."""
    total = sum(result.n for result in results)
    failed, lost = sum(result.failed for result in results), sum(result.unparsed for result in results)
    text = []
    if lost >= MANY * total and lost:
        text.append(f"{count(lost)} of {plural(total, 'answer')} could not be parsed and count as incorrect")
    if failed:
        are = "is" if failed == 1 else "are"
        text.append(f"{plural(failed, 'question')} of {count(total)} failed and {are} excluded")
    return f"{'; '.join(text)}." if text else ""


def truncated_sentence(evaluated: Sequence[EvaluatedCell]) -> str:
    """Truncated answers; empty if they are few."""
    counts = [(number, len(entry.rows)) for entry in evaluated if (number := truncated(entry)) is not None]
    cut_off, total = sum(number for number, _ in counts), sum(n for _, n in counts)
    limits = sorted({entry.cell.decoding.max_tokens for entry in evaluated if entry.cell.decoding is not None})
    at = f" at {' or '.join(map(count, limits))} tokens" if limits else ""
    if not cut_off or cut_off < MANY * total:
        return ""
    return (
        f"{count(cut_off)} of {plural(total, 'written answer')} were truncated{at}; a higher --max-tokens may "
        "change the result."
    )


def _of_differences(compared: Sequence[CellComparison]) -> tuple[Tone, str, str]:
    significant = [comparison for comparison in compared if comparison.verdict != "no significant difference"]
    # Percentage points and other units cannot be ranked together: proportions take precedence.
    alike = [comparison for comparison in compared if is_proportion(comparison)] or compared
    largest = max(alike, key=lambda comparison: abs(comparison.compared.effect.estimate))
    if len(compared) == 1:
        single = compared[0]
        ours, theirs, _ = compared_names(single)
        headline = f"{ours} is {WORDS[single.verdict]} than {theirs}" if significant else "No significant difference"
        return TONES[single.verdict], headline, " ".join(filter(None, (difference(single), caution(single))))
    if not significant:
        text = f"None of {len(compared)} paired comparisons is significant. Largest difference: "
        return (
            "unclear",
            "No significant difference",
            text + " ".join(filter(None, (difference(largest), caution(largest)))),
        )
    verdicts = {comparison.verdict for comparison in significant}
    tone = TONES[verdicts.pop()] if len(verdicts) == 1 else "unclear"
    headline = f"{len(significant)} of {len(compared)} differences are significant"
    rest = f" {len(significant) - NAMED} more are listed below." if len(significant) > NAMED else ""
    return tone, headline, " ".join(map(difference, significant[:NAMED])) + rest


def _of_cells(results: Sequence[CellResult]) -> tuple[Tone, str, str]:
    states = [state for result in results if (state := against_chance(result)) is not None]
    if len(results) == 1:
        accuracy = results[0].accuracy
        assert accuracy is not None, "at least one question was answered"
        headline_value = f"{value(accuracy.estimate, is_proportion(results[0]))} {metric_name(results[0].cell)}"
        headline = _guess_words(states[0]).capitalize() if states else headline_value
        return GUESSED[states[0]] if states else "unclear", headline, ""
    if not states:
        return "unclear", "Nothing to compare", "No two cells differ in exactly one factor."
    better = states.count("better")
    tone = GUESSED[states[0]] if len(set(states)) == 1 else "unclear"
    if not better:
        return tone, "Not better than chance", ""
    return tone, f"{better} of {len(states)} cells better than chance", ""


def _guess_words(state: ChanceComparison) -> str:
    phrases = {"better": "better than chance", "worse": "worse than chance"}
    return phrases.get(state, "not significantly better than chance")


def _cell_list(results: Sequence[CellResult]) -> str:
    """All cells with their intervals, if they are few."""
    if len(results) > NAMED:
        return ""
    common = common_parts([result.cell for result in results])
    parts = [
        f"{short_name(result.cell, common)} {value(result.accuracy.estimate, is_proportion(result))} "
        f"{metric_name(result.cell)} ({between(result.accuracy, is_proportion(result))})"
        for result in results
        if result.accuracy is not None
    ]
    return f"{'; '.join(parts)}."
