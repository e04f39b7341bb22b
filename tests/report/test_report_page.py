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
def report_data() -> ReportData:
    return example()


@pytest.fixture(scope="module")
def page(report_data: ReportData) -> str:
    return render(report_data)


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
    report_data = example(outcome)  # type: ignore[arg-type]
    head = html.unescape(render(report_data).split("</header>")[0].split("<header")[1])
    words_of = {"helped": "Helped", "hurt": "Hurt", "unclear": "No significant difference"}
    assert [w for w in words_of.values() if re.search(rf"</span> {w}</p>", head)] == [words_of[outcome]]
    assert report_data.question in head
    assert words.points(report_data.comparisons[0].difference) in head
    assert words.points_between(report_data.comparisons[0].difference) in head


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


def test_every_number_on_the_page_is_in_the_results(report_data: ReportData, page: str) -> None:
    results = json.loads(json.dumps(to_results(report_data), allow_nan=False))
    in_results = {n for leaf in leaves(results) for spelling in spellings(leaf) for n in numbers(spelling)}
    constants = {"86", "88", "2", "0.001", "1979", "2010", "2017", "10"}
    on_page = numbers(Page(page).text)
    assert len(on_page) > 300
    assert on_page - in_results - constants == set()


def test_results_hold_the_data_of_the_page(report_data: ReportData) -> None:
    results = to_results(report_data)
    assert results["verdict"] == "helped"
    assert [arm["name"] for arm in results["arms"]] == [arm.name for arm in report_data.arms]
    assert {"estimate", "low", "high", "n", "level", "method"} == set(results["arms"][0]["result"])
    assert results["comparisons"][0]["difference"]["n"] == 10_000
    assert results["funnel"]["kept"] + results["funnel"]["dropped_total"] + results["funnel"]["failed_total"] == 6000
    assert sum(results["scores"][0]["histogram"]["kept"]) == results["scores"][0]["kept"]
    assert "png" not in results["examples"][0]


def test_hostile_text_is_escaped() -> None:
    report_data = example(seeds=1)
    image = replace(report_data.examples[0], label=HOSTILE, prompt=HOSTILE, rule=HOSTILE, reason=HOSTILE, id=HOSTILE)
    arms = tuple(
        replace(arm, name=HOSTILE if arm.name == "real" else arm.name, trained_on=HOSTILE) for arm in report_data.arms
    )
    comparison = replace(report_data.comparisons[0], theirs=HOSTILE)
    labels = (HOSTILE, *LABELS[1:])
    confusion = (
        replace(report_data.reference_classifier.confusion, rows=labels, columns=labels)
        if report_data.reference_classifier
        else None
    )
    assert confusion is not None
    column = replace(report_data.scores[0], name=HOSTILE, unit=HOSTILE, unscored={HOSTILE: 1})
    report_data = replace(
        report_data,
        name=HOSTILE,
        question=HOSTILE,
        reproduction=replace(
            report_data.reproduction, command=HOSTILE, recipe=HOSTILE, machine=HOSTILE, versions={HOSTILE: HOSTILE}
        ),
        arms=arms,
        comparisons=(comparison,),
        funnel=Funnel(2, 1, {HOSTILE: 1}, dropped_by_rule={HOSTILE: {HOSTILE: 1}}),
        scores=(column,),
        examples=(image,),
        reference_classifier=ReferenceClassifier(HOSTILE, confusion),
        caveats=(HOSTILE,),
    )
    page = render(report_data)
    assert "<script" not in page
    assert "alert(&#34;1&#34;)" in page
    Page(page)


def test_the_funnel_lists_the_rules_of_a_filter_that_has_several() -> None:
    text = " ".join(Page(render(example())).text.split())
    (filter_name, rules), *_ = to_results(example())["funnel"]["dropped_by_rule"].items()
    assert list(rules.values()) == [690, 12]
    rows = ((filter_name, 702), *rules.items())
    assert re.search("[^0-9]*".join(re.escape(f" {name} {count}") for name, count in rows), text)


def test_missing_parts_are_left_out() -> None:
    complete = example()
    few = tuple(arm for arm in complete.arms if arm.name in {"filtered", "unfiltered"})
    pairs = tuple(pair for pair in complete.comparisons if pair.theirs == "unfiltered")
    report_data = ReportData(complete.name, complete.question, complete.reproduction, few, pairs, Funnel(0, 0, {}))
    page = render(report_data)
    parsed = Page(page)
    assert "random-subset" in parsed.text
    assert 'id="examples"' not in page
    json.dumps(to_results(report_data), allow_nan=False)


def test_a_run_without_comparison_has_a_page() -> None:
    report_data = example(seeds=1)
    page = render(replace(report_data, arms=(), comparisons=()))
    Page(page)
    assert to_results(replace(report_data, arms=(), comparisons=()))["verdict"] is None


def test_a_single_seed_is_a_limitation() -> None:
    single, several = (to_results(example(seeds=seeds))["limits"] for seeds in (1, 3))
    names = "real, filtered, unfiltered"
    assert any(names in limit for limit in single)
    assert not any(names in limit for limit in several)


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_nan_is_refused_except_where_training_diverged(report_data: ReportData, value: float) -> None:
    with pytest.raises(ValueError, match=r"report\.cost\.stages\[0\]\.seconds"):
        replace(report_data, cost=Cost((StageCost("generate", value),)))
    arm = replace(
        report_data.arms[0], history=(LossCurve(11, ((0, 2.3), (30, value))), *report_data.arms[0].history[1:])
    )
    diverged = replace(report_data, arms=(arm, *report_data.arms[1:]))
    page = render(diverged)
    assert "seed 11" in page
    assert "seed 11" not in render(report_data)
    assert not re.search(r"\b(nan|inf)\b", Page(page).text, re.IGNORECASE)
    json.dumps(to_results(diverged), allow_nan=False)


def test_no_page_prints_none_or_nan(page: str) -> None:
    assert not re.search(r"\b(nan|None|inf)\b|Markup|Effect\(", page)


def test_unknown_prices_are_unknown(report_data: ReportData) -> None:
    cost = Cost((StageCost("judge", 3.0, 10, "samples", tokens=1200, dollars=None), StageCost("keep", None)))
    text = Page(render(replace(report_data, cost=cost))).text
    section = text.split("Price")[-1].split("Real data")[0]
    assert section.count("unknown") == 4  # the judge's price, the time of keep, and both totals
    assert "1,200" in section
    assert to_results(replace(report_data, cost=cost))["cost"]["dollars"] is None


def test_agreement_ignores_labels_that_the_reference_classifier_does_not_have(report_data: ReportData) -> None:
    confusion = Confusion(("bag", "car"), ("bag", NOT_AMONG), ((9, 0), (0, 10)))
    changed = replace(report_data, reference_classifier=ReferenceClassifier("org/model", confusion))
    data = to_results(changed)["reference_classifier"]["confusion"]
    assert data["agreement"]["car"] is None
    assert (data["overall"]["estimate"], data["overall"]["n"]) == (1.0, 9)
    assert "not defined" in render(changed)


def test_permuted_labels_above_chance_raise_a_warning(report_data: ReportData) -> None:
    real = report_data.arm("real")
    arms = tuple(replace(real, name="permuted-labels") if a.name == "permuted-labels" else a for a in report_data.arms)
    assert any(limit.startswith("Warning") for limit in to_results(replace(report_data, arms=arms))["limits"])
    assert not any(limit.startswith("Warning") for limit in to_results(report_data)["limits"])


def test_large_images_are_smoothed(report_data: ReportData) -> None:
    rng = np.random.default_rng(0)
    for size, squares in ((28, True), (128, False)):
        image = replace(report_data.examples[0], png=png(rng, 0, size))
        assert ('class="pixels"' in render(replace(report_data, examples=(image,), ood_detection=()))) is squares
    with pytest.raises(ValueError, match="GIF89a"):
        render(replace(report_data, examples=(replace(report_data.examples[0], png=b"GIF89a"),)))


def test_every_section_has_its_own_anchor(report_data: ReportData) -> None:
    anchors = [section.anchor for section in drawn_sections(report_data)]
    assert len(anchors) == len(set(anchors)) == len(SECTIONS)


def test_sections_by_label_lead_with_the_worst_label(report_data: ReportData) -> None:
    sections = {section.anchor: section.body.partition("</p>")[0] for section in drawn_sections(report_data)}
    label, lowest = min(report_data.arm("filtered").per_class.items(), key=lambda item: item[1].estimate)
    assert f"{label}, {words.percent_ci(lowest)}" in sections["per_class"]
    assert report_data.trained_classifier is not None
    confusion = report_data.trained_classifier.confusion
    errors = {
        (label, answer): n
        for label, counts in zip(confusion.rows, confusion.counts, strict=True)
        for answer, n in zip(confusion.columns, counts, strict=True)
        if answer != label
    }
    (label, answer), n = max(errors.items(), key=lambda item: item[1])
    assert f"{label} classified as {answer}, {n} of 1,000" in sections["trained_classifier"]
