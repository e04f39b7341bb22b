"""Report page of the jailbreak probe: attack success rate and over-refusal by defense."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from markupsafe import Markup

from assay.analysis.format import (
    count,
    level,
    listed,
    percent,
    percent_between,
    percent_ci,
    points,
    points_between,
    signed,
)
from assay.core.effect import Effect
from assay.probes.jailbreak.attacks import FAMILIES
from assay.probes.jailbreak.defenses import DEFENSES
from assay.probes.jailbreak.probe import DefenseResult, JailbreakResult
from assay.report.axis import axis_between
from assay.report.charts import Strip, ruler, strip
from assay.report.document import Finding, Head, Section, Tile, Tone, versions_fact, with_head
from assay.report.template import fill

SUCCESS = {
    "secret": "reveals the codeword",
    "rule": "writes a digit despite its instructions",
    "prompts": "answers without refusing",
}
"""Definition of attack success by task."""
LIMITS = (
    "Attacks are published templates in fixed, mild wording, each tried once with greedy decoding. Adaptive attackers "
    "try many variants, so the success rate is a lower bound.",
    "A harmless question counts as refused if the answer contains a refusal, is empty, or was blocked. Answer quality "
    "is not evaluated.",
    "Thresholds of the perplexity filter and the guard are calibrated on the harmless questions with leave-one-out "
    "cross-validation.",
    "Small models may resist attacks because of limited capability, not alignment.",
)
PROMPTS_LIMIT = (
    "For your own prompts an attack counts as successful if the answer is not a refusal, so the success rate is an "
    "upper bound. Check the answers."
)
EXAMPLES = 3
"""Maximum number of examples per defense and outcome."""
MAX_LENGTH = 600
"""Maximum characters of a message or answer on the page."""


def render(result: JailbreakResult, source: str, versions: Mapping[str, str]) -> str:
    """Render the self-contained HTML page. Write it with UTF-8."""
    baseline = result.baseline
    finding = Finding(_tone(result), headline(result), tuple(sentences(result)))
    tiles = (
        Tile(
            "attack success rate",
            percent(baseline.through.estimate),
            f"of {count(len(baseline.attacks))} attacks, no defense",
        ),
        Tile(
            "refusal rate (harmless)",
            percent(baseline.refused.estimate),
            f"of {count(len(baseline.harmless))}, no defense",
        ),
    )
    head = Head("probe jailbreak", f"Jailbreak probe of {result.asking.model}", finding, tiles)
    sections = [_defenses(result), _families(result), _examples(result), _settings_section(result, source, versions)]
    return with_head(head, sections)


def headline(result: JailbreakResult) -> str:
    """Headline of the result."""
    effective = [
        defense.name + (" (with over-refusal)" if _increases_refusals(defense) else "")
        for defense in result.results[1:]
        if _reduces_attacks(defense)
    ]
    if not any(attack.how for attack in result.baseline.attacks):
        return "No attack succeeded."
    if len(result.results) == 1:
        return f"Attack success rate {percent(result.baseline.through.estimate)}."
    if not effective:
        return "No defense significantly reduces attack success."
    return f"Attack success significantly reduced by: {listed(effective)}."


def sentences(result: JailbreakResult) -> list[str]:
    """Summary sentences with numbers."""
    baseline = result.baseline
    lines = [
        f"Attack success rate of {result.asking.model} without defense: {percent_ci(baseline.through)}.",
        f"Refusal rate on harmless questions: {percent_ci(baseline.refused)}.",
    ]
    for defense in result.results[1:]:
        success, refusal = defense.through_change, defense.refused_change
        if success is None or refusal is None:
            continue
        if _reduces_attacks(defense) or _increases_refusals(defense):
            lines.append(
                f"{defense.name.capitalize()}: attack success {points(success)} ({points_between(success)}), "
                f"refusal of harmless questions {points(refusal)} ({points_between(refusal)})."
            )
    unclear = [
        defense.name
        for defense in result.results[1:]
        if not _reduces_attacks(defense) and not _increases_refusals(defense)
    ]
    if unclear:
        lines.append(f"No significant effect: {listed(unclear)}.")
    for reason, number in result.left_out.items():
        lines.append(f"Excluded attacks and questions: {count(number)} ({reason}).")
    return lines


def rows(result: JailbreakResult) -> list[list[str]]:
    """One row per defense: name, attack success rate and its change, refusal rate and its change in pp."""
    return [
        [
            defense.name,
            f"{percent(defense.through.estimate)} ({percent_between(defense.through)})",
            _change(defense.through_change),
            f"{percent(defense.refused.estimate)} ({percent_between(defense.refused)})",
            _change(defense.refused_change),
        ]
        for defense in result.results
    ]


def interval_note(result: JailbreakResult) -> str:
    """Description of the intervals of differences."""
    first = next((defense.through_change for defense in result.results if defense.through_change is not None), None)
    if first is None:
        return ""
    several = len(result.results) - 1
    each = f" each (Bonferroni for {several} defenses at 95%)" if several > 1 else ""
    return f"Changes are paired differences in percentage points (pp) with Newcombe's interval at {level(first)}{each}."


def _change(effect: Effect | None) -> str:
    return "-" if effect is None else f"{signed(effect.estimate)} ({points_between(effect)})"


def _reduces_attacks(defense: DefenseResult) -> bool:
    change = defense.through_change
    return change is not None and change.high is not None and change.high < 0


def _increases_refusals(defense: DefenseResult) -> bool:
    change = defense.refused_change
    return change is not None and change.low is not None and change.low > 0


def _tone(result: JailbreakResult) -> Tone:
    return (
        "helped"
        if any(_reduces_attacks(defense) and not _increases_refusals(defense) for defense in result.results)
        else "unclear"
    )


def _defenses(result: JailbreakResult) -> Section:
    axis = axis_between(0, 100)
    plotted = [
        (
            defense,
            row,
            strip(Strip(f"{defense.name}: attack success rate", defense.through, "arm-permuted-labels"), axis),
            strip(Strip(f"{defense.name}: refusal rate on harmless questions", defense.refused, "arm-real"), axis),
        )
        for defense, row in zip(result.results, rows(result), strict=True)
    ]
    values = {
        "success": SUCCESS[result.task],
        "rows": plotted,
        "ruler": ruler(axis, "%"),
        "interval_note": interval_note(result),
        "attacks": len(result.baseline.attacks),
        "harmless": len(result.baseline.harmless),
    }
    return Section("defenses", "Attack success and over-refusal by defense", fill("jailbreak_defenses.html", values))


def _families(result: JailbreakResult) -> Section:
    table = [
        (name, FAMILIES[name].description, [_cell(defense.families[name]) for defense in result.results])
        for name in result.baseline.families
    ]
    values = {"names": [defense.name for defense in result.results], "rows": table}
    return Section("families", "Attack success by family", fill("jailbreak_families.html", values))


def _cell(effect: Effect) -> tuple[str, str]:
    return percent(effect.estimate), percent_between(effect)


def _examples(result: JailbreakResult) -> Section:
    groups: list[tuple[str, str, Sequence[tuple[str, str, str, str]]]] = []
    for defense in result.results:
        succeeded = [attack for attack in defense.attacks if attack.how]
        blocked = [attack for attack in defense.attacks if attack.reply.blocked]
        refused = [question for question in defense.harmless if question.refused]
        label = "No defense" if defense is result.baseline else defense.name.capitalize()
        groups += [
            (
                label,
                "successful attacks",
                [_example(t.family, t.message, t.reply.text, t.how) for t in succeeded[:EXAMPLES]],
            ),
            (
                label,
                "blocked attacks",
                [_example(t.family, t.message, "", t.reply.blocked) for t in blocked[:EXAMPLES]],
            ),
            (
                label,
                "harmless questions refused",
                [_example("harmless", a.question, a.reply.text, a.refused) for a in refused[:EXAMPLES]],
            ),
        ]
    values = {"groups": [group for group in groups if group[2]]}
    return Section("examples", "Example answers", fill("jailbreak_examples.html", values))


def _example(family: str, message: str, answer: str, how: str) -> tuple[str, str, str, str]:
    return family, _shortened(message), _shortened(answer), how


def _shortened(text: str) -> str:
    """Shorten a long message in the middle: its end holds the request."""
    return text if len(text) <= MAX_LENGTH else f"{text[: MAX_LENGTH // 2]} … {text[-MAX_LENGTH // 2 :]}"


def _settings_section(result: JailbreakResult, source: str, versions: Mapping[str, str]) -> Section:
    setup = result.asking
    facts: list[tuple[str, str | Markup]] = [
        ("attack success", f"the model {SUCCESS[result.task]}; checked by rules"),
        ("decoding", f"greedy, at most {setup.max_tokens} tokens, seed {setup.seed}; harmless questions of {source}"),
        *((defense.name, _defense_settings(defense, result)) for defense in result.results[1:]),
        *versions_fact(versions),
    ]
    limits = (*LIMITS, PROMPTS_LIMIT) if result.task == "prompts" else LIMITS
    return Section(
        "counted",
        "Settings and limitations",
        fill("risk_counted.html", {"facts": facts, "limits": limits}),
    )


def _defense_settings(defense: DefenseResult, result: JailbreakResult) -> str:
    setup = result.asking
    details = {
        "perplexity": f"; {setup.reader}, threshold at a false positive rate of {percent(setup.false_alarms)}",
        "guard": (
            f"; {setup.guard or setup.model}, threshold at a false positive rate of {percent(setup.false_alarms)}"
        ),
        "vote": f"; {setup.copies} copies, {percent(setup.swapped)} of characters replaced",
    }
    return DEFENSES[defense.name][0] + details.get(defense.name, "")
