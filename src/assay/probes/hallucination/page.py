"""One page of a probe: whether a model is less sure where it is wrong, and what silence when unsure would spare."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from markupsafe import Markup

from assay.analysis.format import (
    count,
    number,
    number_between,
    percent,
    percent_between,
    plural,
    points,
    points_between,
    signed,
)
from assay.probes.hallucination.probe import CHOSEN, Item, Probed, Sign
from assay.report.axis import Axis, axis_between, axis_over
from assay.report.charts import risk_line
from assay.report.document import Finding, Head, Section, Tile, Tone, versions_fact, with_head
from assay.report.template import fill

LIMITS = (
    "Right means that the known answer nearest to what was written, by sentence embeddings, is a true one: a rough "
    "measure, which takes a denial for what it denies now and then. Read the examples.",
    "A model that is wrong every time in the same way is sure of it: no sign here sees that.",
    "The curves are of these questions, which were chosen because people get them wrong; of others they say little.",
    "The finding is about one sign that was named beforehand; the others stand beside it, and the best of several "
    "looks better than it is.",
    "Intervals of curves are bootstraps over questions; risks at a coverage have Wilson's interval.",
)
MAIN = "semantic-entropy"
"""The sign that the finding is about."""
EXAMPLES = 4


def render(found: Probed, source: str, versions: Mapping[str, str]) -> str:
    """The whole page as HTML, with nothing to fetch. Write it with UTF-8."""
    model = found.asking.model
    main = _main(found)
    finding = Finding(
        _tone(found), headline(found), tuple(sentences(found))
    )  # fmt: skip
    tiles = (
        Tile("wrong", percent(1 - found.right.estimate), f"of {count(found.right.n)} written answers"),
        *(
            [Tile("wrong when surest", percent(main.curve.points[2].risk.estimate), "of the surest half")]
            if main is not None
            else []
        ),
        *([Tile("true choice", percent(found.chosen.estimate), "is most probable")] if found.chosen else []),
    )
    head = Head("probe hallucination", f"Does {model} know when it does not know?", finding, tiles)
    return with_head(head, [_curves(found), *_examples(found, main), _counted(found, source, versions)])


def headline(found: Probed) -> str:
    """A few words."""
    main = _main(found)
    if main is None or main.auroc is None:
        return "Nothing to tell apart."
    if _shown(main):
        return f"By {MAIN} it is less sure where it is wrong."
    return f"By {MAIN} it is not shown to be less sure where it is wrong."


def sentences(found: Probed) -> list[str]:
    """What was found, with numbers."""
    wrong = 1 - found.right.estimate
    said = [
        f"{percent(wrong)} of {plural(found.right.n, 'written answer')} of {found.asking.model} are nearer to a false "
        f"answer than to a true one ({_turned(found)})."
    ]
    main = _main(found)
    if main is not None and main.auroc is not None:
        half = main.curve.points[2]
        said.append(
            f"By {main.name}, a right answer has more of it than a wrong one with a chance of "
            f"{number(main.auroc.estimate)} ({number_between(main.auroc)}); of the surest half "
            f"{percent(half.risk.estimate)} are wrong ({percent_between(half.risk)})."
        )
    if found.chosen is not None:
        said.append(
            f"The most probable of the known answers is a true one in {percent(found.chosen.estimate)} of "
            f"{plural(found.chosen.n, 'question')} ({percent_between(found.chosen)})."
        )
    if lacking := [item for item in found.items if item.right is None]:
        said.append(f"{plural(len(lacking), 'question')} had no answer: {lacking[0].lack}.")
    return said


def rows(found: Probed) -> list[list[str]]:
    """A row a sign: name, AUROC, risks at coverages, and what is spared."""
    return [_row(one) for one in (*found.signs, *([found.choices] if found.choices else []))]


def _row(one: Sign) -> list[str]:
    auroc = f"{number(one.auroc.estimate)} ({number_between(one.auroc)})" if one.auroc else "-"
    risks = [percent(point.risk.estimate) for point in one.curve.points]
    return [one.name, auroc, *risks, f"{points(one.curve.gain)} ({points_between(one.curve.gain)})"]


def _main(found: Probed) -> Sign | None:
    """The sign that was named before anything was measured: the best of several would look good by luck."""
    return next((one for one in found.signs if one.name == MAIN and one.auroc is not None), None)


def _shown(main: Sign) -> bool:
    return main.curve.gain.low is not None and main.curve.gain.low > 0


def _tone(found: Probed) -> Tone:
    main = _main(found)
    return "helped" if main is not None and _shown(main) else "unclear"


def _turned(found: Probed) -> str:
    """The interval of the wrong ones."""
    if found.right.low is None or found.right.high is None:
        return "no interval below n = 2"
    return f"{100 * (1 - found.right.high):.1f} to {100 * (1 - found.right.low):.1f}"


def _curves(found: Probed) -> Section:
    first = max(1, found.right.n // 10)
    drawn = [*found.signs, *([found.choices] if found.choices else [])]
    up = axis_over([0.0, *(100 * risk for one in drawn for risk in one.curve.risk[first - 1 :])], ticks=4)
    axes = axis_between(0, 100), up
    values = {
        "signs": [(one, _row(one), _plot(one, axes, first)) for one in drawn],
        "main": MAIN,
        "choices": CHOSEN,
        "wrong": percent(1 - found.right.estimate),
        "first": first,
    }
    return Section("risk", "What silence when unsure would spare", fill("risk.html", values))


def _plot(one: Sign, axes: tuple[Axis, Axis], first: int) -> Markup:
    """From the surest `first` answers on: before, the curve jumps with every one."""
    points = [
        (100 * at, 100 * risk)
        for nth, (at, risk) in enumerate(zip(one.curve.coverage, one.curve.risk, strict=True), start=1)
        if nth >= first
    ]
    level = 100 * one.curve.risk[-1]
    return risk_line(points, axes, level, f"Wrong answers by the share that is answered, surest first by {one.name}")


def _examples(found: Probed, main: Sign | None) -> list[Section]:
    if main is None:
        return []
    known = sorted((item for item in found.items if main.name in item.sure), key=lambda one: -one.sure[main.name])
    groups: Sequence[tuple[str, list[Item]]] = (
        ("Sure and wrong", [item for item in known if not item.right][:EXAMPLES]),
        ("Sure and right", [item for item in known if item.right][:EXAMPLES]),
        ("Unsure and wrong", [item for item in reversed(known) if not item.right][:EXAMPLES]),
        ("Unsure and right", [item for item in reversed(known) if item.right][:EXAMPLES]),
    )
    shown = [
        (name, [(item, number(abs(item.sure[main.name])), signed(item.margin)) for item in own])
        for name, own in groups
        if own
    ]
    values = {"groups": shown, "sign": main.name}
    return [Section("examples", "Look at the answers", fill("risk_examples.html", values))]


def _counted(found: Probed, source: str, versions: Mapping[str, str]) -> Section:
    asking, drawn = found.asking, found.asking.drawn
    facts = [
        ("questions", f"{count(len(found.items))} of {source}, drawn by seed {asking.seed}"),
        ("asked", f"{asking.system!r}, then the question; greedy, at most {asking.max_tokens} tokens"),
        ("drawn", f"{drawn.samples} answers to each at temperature {drawn.temperature:g}"),
        ("alike", f"two answers mean the same from {drawn.threshold:g} up, by {drawn.by} with {drawn.judge}"),
        ("right", f"nearest known answer by {asking.encoder}"),
        (CHOSEN, "nothing is written: the known answers' own log-probabilities; all true ones count"),
        *versions_fact(versions),
    ]
    return Section(
        "counted",
        "What was asked, and how it was counted",
        fill("risk_counted.html", {"facts": facts, "limits": LIMITS}),
    )
