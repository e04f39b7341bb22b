"""One page of a judging: what was preferred, and how far to believe the judge, with judgments to look at."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence

from markupsafe import Markup

from assay.analysis.format import count, dollars, percent, percent_between, plural, seconds, tokens
from assay.analysis.measures import drawn
from assay.core.effect import Effect
from assay.judging.engine import Judge
from assay.judging.page.audit import Check, Number, pairs_checks, rate_checks
from assay.judging.page.examples import Shown, shown_pairs, shown_texts
from assay.judging.page.text import CONFLICTS, how
from assay.judging.page.verdict import pairs_finding, rate_finding
from assay.judging.pairs import JudgedPairs
from assay.judging.rate import JudgedTexts
from assay.judging.results import Counts, PairsResult, RateResult
from assay.report.axis import Axis, axis_over
from assay.report.charts import Strip, parts, ruler, strip
from assay.report.document import Head, Tile, versions_fact, with_head
from assay.report.sections.section import Section
from assay.report.template import fill
from assay.stats.ratings.agreement import SelfPreference
from assay.store.answers import StoredAnswer

SHARES = axis_over([0.0, 100.0])


def render_pairs(
    judged: Sequence[JudgedPairs],
    results: Sequence[PairsResult],
    favors: Sequence[SelfPreference | None],
    versions: Mapping[str, str],
    *,
    ties: bool,
    seed: int,
) -> str:
    """The whole page of `assay judge pairs` as HTML, with nothing to fetch. Write it with UTF-8."""
    n = plural(len(judged[0].items), "pair")
    who = judged[0].judge.reference if len(judged) == 1 else f"{len(judged)} judges"
    does = "does" if len(judged) == 1 else "do"
    finding = pairs_finding(results, favors)
    head = Head(
        "judge pairs", f"Which answers of {n} {does} {who} prefer?", finding, _tiles([r.counts for r in results])
    )
    checks = [
        (one.judge.reference, pairs_checks(one, favor, len(results)))
        for one, favor in zip(results, favors, strict=True)
    ]
    shown = [(one.judge.reference, shown_pairs(one, ties=ties, seed=seed)) for one in judged]
    asked = [("ties", "the judge may say that neither is better" if ties else "the judge must choose")]
    asked += [("seed", f"{seed}, of the ids that a judge must repeat"), *versions_fact(versions)]
    notes = [CONFLICTS, "Win rates: Wilson's interval; n counts pairs, as the two orders of a pair go together."]
    sections = [_wins(results, judged), _believe(checks), _examples(shown, "pair"), _counted(asked, notes)]
    return with_head(head, sections)


def render_rate(judged: JudgedTexts, result: RateResult, versions: Mapping[str, str], *, seed: int) -> str:
    """The whole page of `assay judge rate` as HTML, with nothing to fetch. Write it with UTF-8."""
    rubric, reference = judged.rubric, judged.judge.reference
    what = rubric.dimension or "quality"
    question = f"How does {reference} grade the {what} of {plural(len(judged.items), 'text')}?"
    head = Head("judge rate", question, rate_finding(result), _tiles([result.counts]))
    asked = [("criteria", rubric.criteria), ("steps", rubric.steps or "none"), ("grades", rubric.grades.described())]
    asked += [("seed", f"{seed}, of ids and samples"), *versions_fact(versions)]
    notes = ["The interval of the mean is a bootstrap over texts; those of correlations too."]
    sections = [
        _grades(result, judged),
        _believe([(reference, rate_checks(result))]),
        _examples([(reference, shown_texts(judged, seed))], "text"),
        _counted(asked, notes),
    ]
    return with_head(head, sections)


def _tiles(counts: Sequence[Counts]) -> tuple[Tile, ...]:
    n, scored = sum(one.n for one in counts), sum(one.scored for one in counts)
    unparsed, failed = sum(one.unparsed for one in counts), sum(one.failed for one in counts)
    known = [one.dollars for one in counts if one.dollars is not None]
    written = [one.tokens for one in counts if one.tokens is not None]
    told = tokens(sum(written) if len(written) == len(counts) else None)
    return (
        Tile("scored", count(scored), f"of {count(n)}: {count(unparsed)} unreadable, {count(failed)} without answer"),
        Tile("took", seconds(sum(one.seconds for one in counts)), f"{told} tokens written"),
        Tile("cost", dollars(sum(known) if len(known) == len(counts) else None), "paid to services"),
    )


def _wins(results: Sequence[PairsResult], judged: Sequence[JudgedPairs]) -> Section:
    rows = [
        (one, name, wins, _plot(f"{name} wins", wins))
        for one in results
        for name, wins in one.wins
    ]  # fmt: skip
    values = {
        "rows": rows,
        "ruler": ruler(SHARES, "%"),
        "several": len(results) > 1,
        "judges": [
            (one, how(one), settings(one.judge), digest(each.rows)) for one, each in zip(results, judged, strict=True)
        ],
        "what": "pairs",
        "conflicts": CONFLICTS,
    }
    return Section("wins", "Who wins", fill("judge_wins.html", values))


def _grades(result: RateResult, judged: JudgedTexts) -> Section:
    whole = sum(texts for _, texts in result.grades)
    rows = [
        (f"{grade:g}", texts, parts([("kept", str(texts), texts), ("blank", "", whole - texts)], plural(texts, "text")))
        for grade, texts in result.grades
    ]
    values = {
        "result": result,
        "rows": rows,
        "whole": whole,
        "judges": [(result, how(result), settings(result.judge), digest(judged.rows))],
        "what": "texts",
    }
    return Section("grades", "The grades", fill("judge_grades.html", values))


def _believe(checks: Sequence[tuple[str, Sequence[Check]]]) -> Section:
    """Shares are drawn where there are some, else correlations: one line cannot hold both."""
    numbers = [one for _, own in checks for check in own for one in check.numbers]
    share = any(one.share for one in numbers)
    axis = SHARES if share else axis_over([-1.0, 1.0])
    judges = [
        (reference, own, [(check.name, one, _number(one, share, axis)) for check in own for one in check.numbers])
        for reference, own in checks
    ]
    marks = ruler(axis, "%" if share else "")
    values = {"judges": judges, "ruler": marks, "several": len(checks) > 1, "share": share}
    return Section("believe", "How far to believe it", fill("judge_believe.html", values))


def _number(one: Number, share: bool, axis: Axis) -> Markup:
    if one.effect is None or one.share != share:
        return Markup("")
    label = f"{one.name}: {one.shown}, interval {one.interval}"
    return strip(Strip(label, drawn(one.effect, share), "arm-filtered"), axis, 50.0 if share else 0.0)


def _examples(shown: Sequence[tuple[str, Sequence[Shown]]], what: str) -> Section:
    values = {"groups": [(name, cases) for name, cases in shown if cases], "what": what}
    return Section("examples", "Judgments to look at", fill("judge_examples.html", values))


def _counted(asked: Sequence[tuple[str, str]], notes: Sequence[str]) -> Section:
    body = fill("judge_counted.html", {"asked": asked, "notes": notes})
    return Section("counted", "What was asked, and how it was counted", body)


def _plot(name: str, effect: Effect) -> Markup:
    label = f"{name}: {percent(effect.estimate)}, interval {percent_between(effect)}"
    return strip(Strip(label, effect, "arm-filtered"), SHARES, 50.0)


def settings(judge: Judge) -> str:
    """How the judge was made to answer, seed and limit too."""
    if judge.decoding is None:
        return "nothing is written: probabilities are compared"
    said = f"{judge.decoding.strategy}, at most {plural(judge.decoding.max_tokens, 'token')} an answer"
    if judge.decoding.strategy == "sample":
        said += f", temperature {judge.decoding.temperature:g}, seed {judge.decoding.seed}"
    return said


def digest(rows: Sequence[StoredAnswer]) -> str:
    """Of everything that a judge was given, question by question, 8 hexadecimal digits."""
    return hashlib.sha256("\n".join(row.id for row in rows).encode()).hexdigest()[:8]
