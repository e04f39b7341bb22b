import html
import json
import math
import re
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest

from assay.analysis import format as words
from assay.analysis.models.classifiers import NOT_AMONG, Confusion, ReferenceClassifier
from assay.analysis.proof import LossCurve
from assay.analysis.provenance import Cost, StageCost
from assay.analysis.report_data import ReportData
from assay.analysis.samples.funnel import Funnel
from assay.report import render, to_results
from assay.report.sections import SECTIONS, drawn_sections
from page_parts import Page
from report_example import LABELS, example, png

HOSTILE = '<script>alert("1")</script>'


@pytest.fixture(scope="module")
def facts() -> ReportData:
    return example()


@pytest.fixture(scope="module")
def page(facts: ReportData) -> str:
    return render(facts)


def test_the_page_has_no_external_resources(page: str) -> None:
    parsed = Page(page)
    for _tag, name, value in parsed.attributes:
        if name in {"src", "href", "srcset", "data", "action", "poster", "xlink:href"}:
            assert value.startswith(("data:image/png;base64,", "#")), value
    assert not {"script", "link", "iframe", "object", "embed", "base"} & set(parsed.tags)
    assert not re.search(r"https?://|@import|url\(", page)


def test_every_image_and_chart_has_a_text_alternative(page: str) -> None:
    parsed = Page(page)
    images = [value for tag, name, value in parsed.attributes if (tag, name) == ("img", "alt")]
    assert len(images) == parsed.tags.count("img") == 108
    assert all(images)
    # An svg is named, hidden, or the stretched inner box of a named one.
    outer = sum((tag, name) in {("svg", "aria-label"), ("svg", "aria-hidden")} for tag, name, _ in parsed.attributes)
    inner = sum((tag, name) == ("svg", "preserveaspectratio") for tag, name, _ in parsed.attributes)
    assert outer + inner == parsed.tags.count("svg")
    assert parsed.tags.count("caption") == parsed.tags.count("table")
    ids = [value for _, name, value in parsed.attributes if name == "id"]
    assert len(set(ids)) == len(ids)
    targets = {value for tag, name, value in parsed.attributes if (tag, name) == ("a", "href")}
    assert targets <= {f"#{anchor}" for anchor in ids}


@pytest.mark.parametrize("outcome", ["helped", "hurt", "unclear"])
def test_the_head_states_the_verdict(outcome: str) -> None:
    facts = example(outcome)  # type: ignore[arg-type]
    head = html.unescape(render(facts).split("</header>")[0].split("<header")[1])
    words_of = {"helped": "Helped", "hurt": "Hurt", "unclear": "No significant difference"}
    assert [w for w in words_of.values() if re.search(rf"</span> {w}</p>", head)] == [words_of[outcome]]
    assert facts.question in head
    assert words.points(facts.comparisons[0].difference) in head
    assert words.points_between(facts.comparisons[0].difference) in head


def leaves(value: object) -> Iterator[object]:
    if isinstance(value, dict):
        yield from (leaf for pair in value.items() for part in pair for leaf in leaves(part))
    elif isinstance(value, list | tuple):
        yield len(value)
        yield from (leaf for part in value for leaf in leaves(part))
    else:
        yield value


def spellings(leaf: object) -> Iterator[str]:
    """Formats in which the page may show a value of `results.json`."""
    if isinstance(leaf, bool) or leaf is None:
        return
    if isinstance(leaf, str):
        yield leaf
    elif isinstance(leaf, int):
        yield words.count(leaf)
    elif isinstance(leaf, float):
        yield from (words.signed(leaf, digits) for digits in (0, 1, 2, 3))
        yield from (words.number(leaf), f"{leaf:.3f}", f"{leaf:.2f}", words.seconds(abs(leaf)), f"{100 * leaf:g}")


def numbers(text: str) -> set[str]:
    return set(re.findall(r"\d(?:[\d,]*\d)?(?:\.\d+)?", text))


def test_every_number_on_the_page_is_in_the_results(facts: ReportData, page: str) -> None:
    results = json.loads(json.dumps(to_results(facts), allow_nan=False))
    known = {n for leaf in leaves(results) for spelling in spellings(leaf) for n in numbers(spelling)}
    constants = {"86", "88", "2", "0.001", "1979", "2010", "2017", "10"}
    on_page = numbers(Page(page).text)
    assert len(on_page) > 300
    assert on_page - known - constants == set()


def test_results_hold_the_data_of_the_page(facts: ReportData) -> None:
    results = to_results(facts)
    assert results["verdict"] == "helped"
    assert [arm["name"] for arm in results["arms"]] == [arm.name for arm in facts.arms]
    assert {"estimate", "low", "high", "n", "level", "method"} == set(results["arms"][0]["result"])
    assert results["comparisons"][0]["difference"]["n"] == 10_000
    assert results["funnel"]["kept"] + results["funnel"]["dropped_total"] + results["funnel"]["failed_total"] == 6000
    assert sum(results["scores"][0]["histogram"]["kept"]) == results["scores"][0]["kept"]
    assert "png" not in results["examples"][0]


def test_hostile_text_is_escaped() -> None:
    facts = example(seeds=1)
    image = replace(facts.examples[0], label=HOSTILE, prompt=HOSTILE, rule=HOSTILE, reason=HOSTILE, id=HOSTILE)
    arms = tuple(
        replace(arm, name=HOSTILE if arm.name == "real" else arm.name, trained_on=HOSTILE) for arm in facts.arms
    )
    comparison = replace(facts.comparisons[0], theirs=HOSTILE)
    labels = (HOSTILE, *LABELS[1:])
    confusion = (
        replace(facts.reference_classifier.confusion, rows=labels, columns=labels)
        if facts.reference_classifier
        else None
    )
    assert confusion is not None
    column = replace(facts.scores[0], name=HOSTILE, unit=HOSTILE, unscored={HOSTILE: 1})
    facts = replace(
        facts,
        name=HOSTILE,
        question=HOSTILE,
        reproduction=replace(
            facts.reproduction, command=HOSTILE, recipe=HOSTILE, machine=HOSTILE, versions={HOSTILE: HOSTILE}
        ),
        arms=arms,
        comparisons=(comparison,),
        funnel=Funnel(2, 1, {HOSTILE: 1}, dropped_by_rule={HOSTILE: {HOSTILE: 1}}),
        scores=(column,),
        examples=(image,),
        reference_classifier=ReferenceClassifier(HOSTILE, confusion),
        caveats=(HOSTILE,),
    )
    page = render(facts)
    assert "<script" not in page
    assert "alert(&#34;1&#34;)" in page
    Page(page)


def test_the_funnel_lists_the_rules_of_a_filter_that_has_several() -> None:
    text = " ".join(Page(render(example())).text.split())
    assert "dropped: clip-match below 0.5 702 rule: match >= 0.5 690 rule: match is unscored: drop 12" in text
    assert to_results(example())["funnel"]["dropped_by_rule"] == {
        "clip-match below 0.5": {"match >= 0.5": 690, "match is unscored: drop": 12}
    }


def test_missing_parts_are_left_out() -> None:
    whole = example()
    few = tuple(arm for arm in whole.arms if arm.name in {"filtered", "unfiltered"})
    pairs = tuple(pair for pair in whole.comparisons if pair.theirs == "unfiltered")
    facts = ReportData(whole.name, whole.question, whole.reproduction, few, pairs, Funnel(0, 0, {}))
    page = render(facts)
    parsed = Page(page)
    assert "random-subset" in parsed.text
    assert 'id="examples"' not in page
    json.dumps(to_results(facts), allow_nan=False)


def test_a_run_without_comparison_has_a_page() -> None:
    whole = example(seeds=1)
    page = render(replace(whole, arms=(), comparisons=()))
    Page(page)
    assert to_results(replace(whole, arms=(), comparisons=()))["verdict"] is None


def test_a_single_seed_is_a_limitation() -> None:
    single, several = (to_results(example(seeds=seeds))["limits"] for seeds in (1, 3))
    assert any("real, filtered, unfiltered" in limit for limit in single)
    assert not any("real, filtered, unfiltered" in limit for limit in several)


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_nan_is_refused_except_where_training_diverged(facts: ReportData, bad: float) -> None:
    with pytest.raises(ValueError, match=r"report\.cost\.stages\[0\]\.seconds"):
        replace(facts, cost=Cost((StageCost("generate", bad),)))
    arm = replace(facts.arms[0], history=(LossCurve(11, ((0, 2.3), (30, bad))), *facts.arms[0].history[1:]))
    diverged = replace(facts, arms=(arm, *facts.arms[1:]))
    page = render(diverged)
    assert "seed 11 is not finite" in page
    assert not re.search(r"\b(nan|inf)\b", Page(page).text, re.IGNORECASE)
    json.dumps(to_results(diverged), allow_nan=False)


def test_no_page_prints_none_or_nan(page: str) -> None:
    assert not re.search(r"\b(nan|None|inf)\b|Markup|Effect\(", page)


def test_unknown_prices_are_unknown(facts: ReportData) -> None:
    cost = Cost((StageCost("judge", 3.0, 10, "samples", tokens=1200, dollars=None), StageCost("keep", None)))
    text = Page(render(replace(facts, cost=cost))).text
    section = text.split("Price")[-1].split("Real data")[0]
    assert section.count("unknown") == 4  # the judge's price, the time of keep, and both totals
    assert "1,200" in section
    assert to_results(replace(facts, cost=cost))["cost"]["dollars"] is None


def test_agreement_ignores_labels_that_the_reference_classifier_does_not_have(facts: ReportData) -> None:
    confusion = Confusion(("bag", "car"), ("bag", NOT_AMONG), ((9, 0), (0, 10)))
    changed = replace(facts, reference_classifier=ReferenceClassifier("org/model", confusion))
    found = to_results(changed)["reference_classifier"]["confusion"]
    assert found["agreement"]["car"] is None
    assert (found["overall"]["estimate"], found["overall"]["n"]) == (1.0, 9)
    assert "not defined" in render(changed)


def test_permuted_labels_above_chance_raise_a_warning(facts: ReportData) -> None:
    real = facts.arm("real")
    arms = tuple(replace(real, name="permuted-labels") if a.name == "permuted-labels" else a for a in facts.arms)
    assert any(limit.startswith("Warning") for limit in to_results(replace(facts, arms=arms))["limits"])
    assert not any(limit.startswith("Warning") for limit in to_results(facts)["limits"])


def test_large_images_are_smoothed(facts: ReportData) -> None:
    rng = np.random.default_rng(0)
    for size, squares in ((28, True), (128, False)):
        image = replace(facts.examples[0], png=png(rng, 0, size))
        assert ('class="pixels"' in render(replace(facts, examples=(image,), ood_detection=()))) is squares
    with pytest.raises(ValueError, match="GIF89a"):
        render(replace(facts, examples=(replace(facts.examples[0], png=b"GIF89a"),)))


def test_every_section_has_its_own_anchor(facts: ReportData) -> None:
    anchors = [section.anchor for section in drawn_sections(facts)]
    assert len(anchors) == len(set(anchors)) == len(SECTIONS)


def test_sections_by_label_lead_with_the_worst_label(facts: ReportData) -> None:
    sections = {section.anchor: section.body.partition("</p>")[0] for section in drawn_sections(facts)}
    label, lowest = min(facts.arm("filtered").per_class.items(), key=lambda item: item[1].estimate)
    assert f"{label}, {words.percent_ci(lowest)}" in sections["per_class"]
    assert facts.trained_classifier is not None
    confusion = facts.trained_classifier.confusion
    errors = {
        (label, answer): n
        for label, counts in zip(confusion.rows, confusion.counts, strict=True)
        for answer, n in zip(confusion.columns, counts, strict=True)
        if answer != label
    }
    (label, answer), n = max(errors.items(), key=lambda item: item[1])
    assert f"{label} classified as {answer}, {n} of 1,000" in sections["trained_classifier"]
