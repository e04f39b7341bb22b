"""Report pages of a judge run."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence

from markupsafe import Markup

from assay.analysis.format import count, dollars, percent, percent_between, percent_ci, plural, seconds, tokens
from assay.analysis.measures import drawn
from assay.core.effect import Effect
from assay.judging.audit import (
    INCONSISTENCY_RULE,
    CheckNumber,
    JudgeCheck,
    mostly_inconsistent,
    pairs_checks,
    rate_checks,
    scoring_method,
)
from assay.judging.engine import JudgeConfig
from assay.judging.examples import JudgedExample, pair_examples, text_examples
from assay.judging.judgments import JudgedPairs, JudgedTexts
from assay.judging.results import JudgmentCounts, PairsResult, RateResult
from assay.report.axis import Axis, axis_over
from assay.report.charts import Strip, parts, ruler, strip
from assay.report.document import Finding, Head, Section, Tile, Tone, versions_fact, with_head
from assay.report.template import fill
from assay.stats.ratings.agreement import SelfPreference
from assay.store.answers import StoredAnswer

RATES = axis_over([0.0, 100.0])


def render_pairs(
    judged: Sequence[JudgedPairs],
    results: Sequence[PairsResult],
    self_preferences: Sequence[SelfPreference | None],
    versions: Mapping[str, str],
    *,
    ties: bool,
    seed: int,
) -> str:
    """Render the self-contained HTML page of `assay judge pairs`. Write it with UTF-8."""
    n = plural(len(judged[0].items), "pair")
    who = judged[0].judge.reference if len(judged) == 1 else f"{len(judged)} judges"
    finding = pairs_finding(results, self_preferences)
    head = Head("judge pairs", f"Pairwise comparison of {n} by {who}", finding, _tiles([r.counts for r in results]))
    checks = [
        (result.judge.reference, pairs_checks(result, self_preference, len(results)))
        for result, self_preference in zip(results, self_preferences, strict=True)
    ]
    examples = [(pairs.judge.reference, pair_examples(pairs, ties=ties, seed=seed)) for pairs in judged]
    options = [("ties", "allowed" if ties else "not allowed")]
    options += [("seed", f"{seed}, for the ids in the prompts"), *versions_fact(versions)]
    notes = [INCONSISTENCY_RULE, "Win rates: Wilson's interval; n is the number of pairs, each judged in both orders."]
    sections = [
        _wins(results, judged),
        _reliability(checks),
        _examples(examples, "pair"),
        _settings_section(options, notes),
    ]
    return with_head(head, sections)


def render_rate(judged: JudgedTexts, result: RateResult, versions: Mapping[str, str], *, seed: int) -> str:
    """Render the self-contained HTML page of `assay judge rate`. Write it with UTF-8."""
    rubric, reference = judged.rubric, judged.judge.reference
    title = f"Grades for {rubric.dimension or 'quality'} of {plural(len(judged.items), 'text')} by {reference}"
    head = Head("judge rate", title, rate_finding(result), _tiles([result.counts]))
    options = [("criteria", rubric.criteria), ("steps", rubric.steps or "none"), ("grades", rubric.grades.described())]
    options += [("seed", f"{seed}, for ids and samples"), *versions_fact(versions)]
    notes = ["Intervals of the mean and of correlations: bootstrap over texts."]
    sections = [
        _grades(result, judged),
        _reliability([(reference, rate_checks(result))]),
        _examples([(reference, text_examples(judged, seed))], "text"),
        _settings_section(options, notes),
    ]
    return with_head(head, sections)


def _tiles(counts: Sequence[JudgmentCounts]) -> tuple[Tile, ...]:
    n, scored = sum(judge.n for judge in counts), sum(judge.scored for judge in counts)
    unparsed, failed = sum(judge.unparsed for judge in counts), sum(judge.failed for judge in counts)
    costs = [judge.dollars for judge in counts if judge.dollars is not None]
    token_counts = [judge.tokens for judge in counts if judge.tokens is not None]
    token_count = tokens(sum(token_counts) if len(token_counts) == len(counts) else None)
    return (
        Tile("scored", count(scored), f"of {count(n)}: {count(unparsed)} unparsed, {count(failed)} failed"),
        Tile("time", seconds(sum(judge.seconds for judge in counts)), f"{token_count} tokens generated"),
        Tile("cost", dollars(sum(costs) if len(costs) == len(counts) else None), "of remote models"),
    )


def _wins(results: Sequence[PairsResult], judged: Sequence[JudgedPairs]) -> Section:
    rows = [
        (result, name, wins, _plot(f"{name} wins", wins))
        for result in results
        for name, wins in result.wins
    ]  # fmt: skip
    values = {
        "rows": rows,
        "ruler": ruler(RATES, "%"),
        "several": len(results) > 1,
        "judges": [
            (result, scoring_method(result), settings(result.judge), digest(pairs.rows))
            for result, pairs in zip(results, judged, strict=True)
        ],
        "what": "pairs",
        "rule": INCONSISTENCY_RULE,
    }
    return Section("wins", "Win rates", fill("judge_wins.html", values))


def _grades(result: RateResult, judged: JudgedTexts) -> Section:
    total = sum(texts for _, texts in result.grades)
    rows = [
        (f"{grade:g}", texts, parts([("kept", str(texts), texts), ("blank", "", total - texts)], plural(texts, "text")))
        for grade, texts in result.grades
    ]
    values = {
        "result": result,
        "rows": rows,
        "total": total,
        "judges": [(result, scoring_method(result), settings(result.judge), digest(judged.rows))],
        "what": "texts",
    }
    return Section("grades", "Grade distribution", fill("judge_grades.html", values))


def _reliability(checks: Sequence[tuple[str, Sequence[JudgeCheck]]]) -> Section:
    """Plot rates if there are some, else correlations: one axis cannot show both."""
    numbers = [number for _, judge_checks in checks for check in judge_checks for number in check.numbers]
    rates = any(number.rate for number in numbers)
    axis = RATES if rates else axis_over([-1.0, 1.0])
    judges = [
        (
            reference,
            judge_checks,
            [(check.name, number, _number(number, rates, axis)) for check in judge_checks for number in check.numbers],
        )
        for reference, judge_checks in checks
    ]
    marks = ruler(axis, "%" if rates else "")
    values = {"judges": judges, "ruler": marks, "several": len(checks) > 1, "rates": rates}
    return Section("reliability", "Reliability and validity", fill("judge_reliability.html", values))


def _number(number: CheckNumber, rates: bool, axis: Axis) -> Markup:
    if number.effect is None or number.rate != rates:
        return Markup("")
    label = f"{number.name}: {number.value}, interval {number.interval}"
    return strip(Strip(label, drawn(number.effect, rates), "arm-filtered"), axis, 50.0 if rates else 0.0)


def _examples(examples: Sequence[tuple[str, Sequence[JudgedExample]]], what: str) -> Section:
    values = {"groups": [(name, cases) for name, cases in examples if cases], "what": what}
    return Section("examples", "Example judgments", fill("judge_examples.html", values))


def _settings_section(options: Sequence[tuple[str, str]], notes: Sequence[str]) -> Section:
    body = fill("judge_counted.html", {"settings": options, "notes": notes})
    return Section("settings", "Settings and counting rules", body)


def _plot(name: str, effect: Effect) -> Markup:
    label = f"{name}: {percent(effect.estimate)}, interval {percent_between(effect)}"
    return strip(Strip(label, effect, "arm-filtered"), RATES, 50.0)


def settings(judge: JudgeConfig) -> str:
    """Decoding settings of the judge, with seed and token limit."""
    if judge.decoding is None:
        return "likelihoods are compared; nothing is generated"
    text = f"{judge.decoding.strategy}, at most {plural(judge.decoding.max_tokens, 'token')} per answer"
    if judge.decoding.strategy == "sample":
        text += f", temperature {judge.decoding.temperature:g}, seed {judge.decoding.seed}"
    return text


def digest(rows: Sequence[StoredAnswer]) -> str:
    """Digest of all prompts, 8 hexadecimal digits."""
    return hashlib.sha256("\n".join(row.id for row in rows).encode()).hexdigest()[:8]


NOTHING_SCORED = "Nothing was scored"


def pairs_finding(results: Sequence[PairsResult], self_preferences: Sequence[SelfPreference | None]) -> Finding:
    """Summary of one judge's preference and reliability, or of several judges and their agreement."""
    preferences = [_pairs(result) for result in results]
    tones, headlines = {tone for tone, _, _ in preferences}, {headline for _, headline, _ in preferences}
    sentences = []
    for result, self_preference, (_, headline, text) in zip(results, self_preferences, preferences, strict=True):
        summary = _summary(result, self_preference, text, len(results))
        prefix = f"{result.judge.reference} ({headline[0].lower()}{headline[1:]}):"
        sentences += summary if len(results) == 1 else [" ".join([prefix, *summary])]
    headline = headlines.pop() if len(headlines) == 1 else f"{len(results)} judges disagree"
    return Finding(tones.pop() if len(tones) == 1 else "unclear", headline, tuple(sentences))


def rate_finding(result: RateResult) -> Finding:
    """Mean grade and its correlation with human grades."""
    counts, mean = result.counts, result.mean
    if mean is None:
        return Finding("unclear", NOTHING_SCORED, (_excluded(result),))
    between = f" ({mean.low:.2f} to {mean.high:.2f})" if mean.low is not None and mean.high is not None else ""
    grades = [grade for grade, _ in result.grades]
    text = (
        f"{result.judge.reference} gives {plural(counts.scored, 'text')} a mean grade of {mean.estimate:.2f}{between}, "
        f"on a scale of {grades[0]:g} to {grades[-1]:g}."
    )
    humans = result.humans.judge if result.humans is not None else None
    tone, headline = _grades_headline(humans, mean)
    means = [check.meaning for check in rate_checks(result) if check.name in ("Human agreement", "Grade distribution")]
    return Finding(tone, headline, tuple(filter(None, (text, *means, _excluded(result)))))


def _grades_headline(humans: Effect | None, mean: Effect) -> tuple[Tone, str]:
    if humans is None:
        return "unclear", f"Mean grade {mean.estimate:.2f}"
    if humans.low is not None and humans.low > 0:
        return "helped", "Grades correlate with human grades"
    if humans.high is not None and humans.high < 0:
        return "hurt", "Grades correlate negatively with human grades"
    return "unclear", "No significant correlation with human grades"


def _summary(result: PairsResult, self_preference: SelfPreference | None, text: str, judges: int) -> list[str]:
    """Preference and reliability; position bias first if it dominates."""
    if not result.counts.scored:
        return [text]
    means = {check.name: check.meaning for check in pairs_checks(result, self_preference, judges)}
    if mostly_inconsistent(result.position):
        return [means["Position bias"], text, means["Human agreement"]]
    length = [means["Length bias"]] if result.length is not None and result.length.follows_length else []
    return [text, means["Position bias"], *length, means["Human agreement"]]


def _pairs(result: PairsResult) -> tuple[Tone, str, str]:
    if not result.counts.scored:
        return "unclear", NOTHING_SCORED, _excluded(result)
    name, rate = max(result.wins, key=lambda entry: entry[1].estimate)
    text = f"{name} wins {percent_ci(rate, n=False)} of {plural(rate.n, 'pair')}. {_excluded(result)}".strip()
    if mostly_inconsistent(result.position):
        return "hurt", "Mostly position bias", text
    named = result.wins[0][0] != "output_a" or len(result.wins) > 1
    if not named and result.humans is not None and result.humans.judge is not None:
        return *_against_humans(result.humans.judge), text
    if not named and rate.high is not None and rate.high < 0.5:
        return "unclear", "output_b is preferred", text
    if rate.low is not None and rate.low > 0.5:
        return "unclear", f"{name} is preferred", text
    return "unclear", "No significant preference", text


def _against_humans(judge: Effect) -> tuple[Tone, str]:
    if judge.low is not None and judge.low > 0.5:
        return "helped", "Agrees with human labels"
    if judge.high is not None and judge.high < 0.5:
        return "hurt", "Disagrees with human labels"
    return "unclear", "No significant agreement with human labels"


def _excluded(result: PairsResult | RateResult) -> str:
    counts = result.counts
    if not counts.why:
        return ""
    return (
        f"{counts.n - counts.scored} of {counts.n} could not be scored: {counts.unparsed} unparsed, "
        f"{counts.failed} failed."
    )
