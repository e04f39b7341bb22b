"""Section on training: curves, held-out pairs and rewards, reward hacking."""

from __future__ import annotations

from markupsafe import Markup

from assay.analysis.format import listed, number_ci, percent_ci, plural
from assay.analysis.models.training import (
    MAIN_CURVES,
    HeldOutPairs,
    RewardChange,
    RewardHacking,
    TrainingCurve,
    TrainingRecord,
)
from assay.analysis.report_data import ReportData
from assay.core.curves import WATCH_PREFIX
from assay.report.charts import arm_class, reliability_diagram, training_curve_plot
from assay.report.document import Section
from assay.report.template import fill


def training(data: ReportData) -> Section | None:
    """Draw every training: its sentences, its curves, its held-out pairs."""
    if not data.training:
        return None
    blocks = [
        (
            record,
            arm_class(record.name),
            *_curve_plots(record),
            _calibration(record),
            " ".join(filter(None, (pairs_sentence(record.held_out), rewards_sentence(record.held_out_rewards)))),
            hacking_sentence(record.hacking),
        )
        for record in data.training
    ]
    return Section("training", "Training curves", fill("models/training.html", {"blocks": blocks}))


def _curve_plots(
    record: TrainingRecord,
) -> tuple[list[tuple[TrainingCurve, Markup]], list[tuple[TrainingCurve, Markup]]]:
    """Draw the main curves, and the collapsed ones."""
    order = {name: nth for nth, name in enumerate(MAIN_CURVES)}
    first = sorted((curve for curve in record.curves if curve.name in order), key=lambda curve: order[curve.name])
    first += [curve for curve in record.curves if curve.name.startswith(WATCH_PREFIX)]
    rest = [curve for curve in record.curves if curve not in first]
    css = arm_class(record.name)
    main, collapsed = ([(curve, training_curve_plot(curve, css)) for curve in part] for part in (first, rest))
    return main, collapsed


def _calibration(record: TrainingRecord) -> Markup | None:
    return None if record.held_out is None else reliability_diagram(record.held_out.calibration)


def pairs_sentence(pairs: HeldOutPairs | None) -> str:
    """State the accuracy and the margin on held-out preference pairs."""
    if pairs is None:
        return ""
    above = pairs.accuracy.low is not None and pairs.accuracy.low > 0.5
    return (
        f"Accuracy on {plural(pairs.pairs, 'held-out pair')} of {plural(pairs.prompts, 'prompt')}: "
        f"{percent_ci(pairs.accuracy)}, {'above' if above else 'not significantly above'} 50%; before training "
        f"{percent_ci(pairs.accuracy_before)}. Margin: {number_ci(pairs.margin, sign=True)}, changed by "
        f"{number_ci(pairs.rise, sign=True)} in training. Intervals are clustered by prompt."
    )


def rewards_sentence(rewards: RewardChange | None) -> str:
    """State the mean reward on held-out prompts before and after training."""
    if rewards is None:
        return ""
    answers = f"{rewards.sampled} sampled answers each" if rewards.sampled else "greedy answers"
    return (
        f"Mean reward on {plural(rewards.prompts, 'held-out prompt')} ({answers}): {number_ci(rewards.after)}, before "
        f"training {number_ci(rewards.before)}; change {number_ci(rewards.rise, sign=True)}."
    )


def hacking_sentence(hacking: RewardHacking | None) -> str:
    """State whether the reward rose while another metric fell."""
    if hacking is None:
        return ""
    steps = None if hacking.reward is None else f"{number_ci(hacking.reward, sign=True)} over the training steps"
    held = None if hacking.held_out is None else f"{number_ci(hacking.held_out, sign=True)} on held-out prompts"
    change = f"Change of the reward: {listed([part for part in (steps, held) if part])}."
    if not hacking.rose:
        return f"No significant rise of the reward, so there is no reward hacking to detect. {change}"
    if hacking.fell:
        return f"Possible reward hacking: the reward rose while {listed(hacking.fell)} got worse. {change}"
    if not hacking.sides:
        return f"The reward rose; no other metric was measured, so reward hacking cannot be excluded. {change}"
    names = listed([side.name for side in hacking.sides])
    return f"The reward rose, and no other metric got significantly worse: {names}. {change}"
