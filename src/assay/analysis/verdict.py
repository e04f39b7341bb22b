"""Verdict and limitations of a run in sentences, derived from the numbers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from assay.analysis.format import count, listed, number, p_value, percent, plural
from assay.analysis.proof import Arm, ArmComparison, readable
from assay.analysis.report_data import ReportData
from assay.core.arms import is_base
from assay.stats.inference.compare import Verdict
from assay.stats.inference.paired_tests import minimum_detectable_difference

HEADLINES = {
    "helped": "Helped",
    "hurt": "Hurt",
    "no significant difference": "No significant difference",
    None: "No comparison",
}


def answer_sentence(data: ReportData) -> str:
    """Return the verdict and the result in sentences."""
    return f"{HEADLINES[data.verdict]}. {' '.join(result_sentences(data))}"


def result_sentences(data: ReportData) -> tuple[str, ...]:
    """Return the results of both arms with their difference, then the results of other comparisons and measures."""
    if not data.comparisons:
        return ("The run has no two arms to compare.",)
    main = data.comparisons[0]
    sentences = (
        _result(data, main),
        _significance_note(main),
        _single_training(data, main),
        _other_measures(data, main),
        _auxiliary(data, main),
        _against_real(data, main),
    )
    return tuple(filter(None, sentences))


def _result(data: ReportData, main: ArmComparison) -> str:
    ours, theirs = data.arm(main.ours), data.arm(main.theirs)
    measure, difference = data.measure, main.difference
    size = f"n = {count(difference.n)} {data.test_items}"
    interval = measure.gap_with_interval(difference).removesuffix(")")
    name = "" if measure.proportion else f"{sentence_start(measure.name)} ({measure.note}): "
    return (
        f"{name}{readable(ours.name)} {measure.value(ours.result)}, {readable(theirs.name)} "
        f"{measure.value(theirs.result)}: {interval}, {size})."
    )


def _significance_note(main: ArmComparison) -> str:
    """Explain an interval without zero whose Holm-adjusted p-value is not significant."""
    if not main.significant_alone:
        return ""
    return (
        f"The interval excludes zero, but the p-value is {p_value(main.adjusted_p)} after Holm's correction for all "
        "comparisons of the run."
    )


def _single_training(data: ReportData, main: ArmComparison) -> str:
    """State that the result holds for single trainings only."""
    trained = [data.arm(name) for name in (main.ours, main.theirs) if not is_base(name)]
    if main.verdict == "no significant difference" or min(len(arm.seeds) for arm in trained) > 1:
        return ""
    if len(trained) == 1:
        return "One training only: the interval does not include the variation between trainings."
    return "One training per arm: the interval does not include the variation between trainings."


def _by_verdict(pairs: Iterable[tuple[Verdict, str]]) -> Mapping[Verdict, list[str]]:
    names: dict[Verdict, list[str]] = {}
    for verdict, name in pairs:
        names.setdefault(verdict, []).append(name)
    return names


def _other_measures(data: ReportData, main: ArmComparison) -> str:
    """State the verdicts of other measures and of the judge on the same two arms."""
    pair = (main.ours, main.theirs)
    measured = [(c.verdict, r.measure.name) for r in data.other_measures for c in r.comparisons if _compares(c, pair)]
    judged = [(p.verdict, "the judge") for p in data.pairwise_comparisons if (p.ours, p.theirs) == pair]
    ours = readable(main.ours)
    phrases = {"helped": f"{ours} is better", "hurt": f"{ours} is worse"}
    parts = [
        f"{phrases.get(verdict, 'no significant difference')} by {listed(names)}"
        for verdict, names in _by_verdict([*measured, *judged]).items()
    ]
    return f"Other measures: {'; '.join(parts)}." if parts else ""


def _auxiliary(data: ReportData, main: ArmComparison) -> str:
    """State the verdicts of the auxiliary evaluations of the same two arms."""
    pair = (main.ours, main.theirs)
    names = _by_verdict(
        (c.verdict, r.measure.name) for r in data.auxiliary_evaluation for c in r.comparisons if _compares(c, pair)
    )
    phrases: dict[Verdict, str] = {
        "hurt": "worse on",
        "helped": "better on",
        "no significant difference": "no significant difference on",
    }
    parts = [f"{phrases[verdict]} {listed(names[verdict])}" for verdict in phrases if verdict in names]
    return f"Auxiliary evaluation: {'; '.join(parts)}." if parts else ""


def _compares(comparison: ArmComparison, pair: tuple[str, str]) -> bool:
    return (comparison.ours, comparison.theirs) == pair


def sentence_start(text: str) -> str:
    """Capitalize the first letter."""
    return text[:1].upper() + text[1:]


def _against_real(data: ReportData, main: ArmComparison) -> str:
    """Compare our arm with real data, if the run has that comparison."""
    pair = next((c for c in data.comparisons[1:] if (c.ours, c.theirs) == (main.ours, "real")), None)
    if pair is None:
        return ""
    n_real = data.arm("real").n_samples
    size = "equal size" if data.arm(pair.ours).n_samples == n_real else f"{count(n_real)} samples"
    return f"Compared with real data of {size}: {pair.sentence}"


def limits(data: ReportData) -> tuple[str, ...]:
    """Return the limitations of the run, one sentence each, then the caller's caveats."""
    limitations = [*_limits_of_arms(data), *_limits_of_proof(data), *data.caveats]
    sets = list(dict.fromkeys(ood.name for model in data.ood_detection for ood in model.sets))
    if not data.measure.proportion:
        return (*limitations, f"The result holds for the {data.test_items} of this run; other tasks were not tested.")
    ood = f"Out-of-distribution inputs tested: {', '.join(sets)}." if sets else "Out-of-distribution inputs not tested."
    limitations.append(
        f"The result holds for {data.test_items} of the same source; other sources were not tested. {ood}"
    )
    return tuple(limitations)


def _limits_of_arms(data: ReportData) -> list[str]:
    limitations = []
    single = [readable(arm.name) for arm in data.arms if len(arm.seeds) == 1 and not is_base(arm.name)]
    if single:
        limitations.append(
            f"Trained once: {', '.join(single)}. The intervals do not include the variation between training seeds."
        )
    names = {arm.name for arm in data.arms}
    missing = {
        "real": "the distance to real data",
        "random-subset": "the effect of the filter from the effect of fewer samples",
        "permuted-labels": "learning from chance",
    }
    verbs = {"real": "measure", "human": "measure"}
    if not data.measure.proportion:  # tasks have no labels to permute; human answers are their real data
        missing = {"human": missing["real"], "random-subset": missing["random-subset"]}
    limitations += [
        f"Without the control arm {name}, the run cannot {verbs.get(name, 'separate')} {purpose}."
        for name, purpose in missing.items()
        if name not in names
    ]
    if data.comparisons:
        limitations += _limits_of_pair(data.arm(data.comparisons[0].ours), data.arm(data.comparisons[0].theirs))
    return limitations


def _limits_of_pair(ours: Arm, theirs: Arm) -> list[str]:
    if is_base(ours.name) or is_base(theirs.name):
        tuned, start = (ours.name, theirs.name) if is_base(theirs.name) else (theirs.name, ours.name)
        return [
            f"{sentence_start(readable(tuned))} was fine-tuned and {readable(start)} was not: the comparison does not "
            "separate the effect of the data from that of fine-tuning. Compare with the other arms."
        ]
    if ours.n_samples != theirs.n_samples and ours.steps != theirs.steps:
        return [
            f"{sentence_start(readable(ours.name))} and {readable(theirs.name)} differ in number of samples and in "
            "training steps; the comparison does not separate the two."
        ]
    return []


def _minimum_detectable(data: ReportData) -> str | None:
    """State the minimum detectable difference at 80% power, from how often the first models of the two arms differ."""
    main = data.comparisons[0] if data.comparisons else None
    if main is None or main.ours_only is None or main.theirs_only is None or main.difference.n < 2:
        return None
    differing = (main.ours_only + main.theirs_only) / main.difference.n
    points = 100 * minimum_detectable_difference(main.difference.n, differing, main.difference.level)
    return (
        f"Minimum detectable difference at 80% power: {points:.1f} percentage points, for two models that differ on "
        f"{percent(differing)} of {count(main.difference.n)} {data.test_items}; variation between trainings is ignored."
    )


def _limits_of_proof(data: ReportData) -> list[str]:
    limitations = []
    if data.comparisons and data.comparisons[0].verdict == "no significant difference":
        effect = data.comparisons[0].difference
        if effect.low is not None and effect.high is not None:
            most = max(abs(effect.low), abs(effect.high))
            size = f"{100 * most:.1f} percentage points" if data.measure.proportion else number(most)
            limitations.append(f"The interval does not exclude a difference of up to {size}.")
    if (minimum := _minimum_detectable(data)) is not None:
        limitations.append(minimum)
    if len(data.comparisons) > 1:
        limitations.append(
            "Intervals are per comparison; p-values and verdicts are corrected for "
            f"{plural(len(data.comparisons), 'comparison')} (Holm)."
        )
    for arm in data.arms:
        if arm.name == "permuted-labels" and arm.per_class and (arm.result.low or 0) > 2 / len(arm.per_class):
            limitations.append(
                f"Warning: permuted labels reach {percent(arm.result.estimate)}, above chance "
                f"({percent(1 / len(arm.per_class))}). Labels or test items may have leaked."
            )
    return limitations
