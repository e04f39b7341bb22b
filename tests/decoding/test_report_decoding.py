from __future__ import annotations

import re
from dataclasses import replace

import pytest
from decoding_example import STRATEGIES, example, step
from hypothesis import given
from hypothesis import strategies as st

from assay.core.decoding import Decoding
from assay.decoding.lattice import MARK, nodes
from assay.decoding.page import STEPS, StrategyComparison, StrategyRun, explain, render_decoding, visible
from assay.text.decoding.reference import decode
from page_parts import Page


@pytest.fixture(scope="module")
def page() -> str:
    return render_decoding(example())


def test_the_page_stands_alone(page: str) -> None:
    parsed = Decoded(page)
    assert not {"script", "link", "img", "iframe", "object"} & set(parsed.tags)
    assert not [value for _, name, value in parsed.attributes if name in ("src", "href", "srcset") or "url(" in value]
    assert "http" not in page.replace("http-equiv", "")
    assert "default-src 'none'" in page


class Decoded(Page):
    """SVG of this page has paths, too, which close themselves."""

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag != "path":
            super().handle_startendtag(tag, attrs)


def test_model_text_is_escaped_and_visible(page: str) -> None:
    assert "<b>d" not in page
    assert "<i>" not in page
    assert "&lt;i&gt;Once&lt;/i&gt;" in page
    assert "␣b&lt;b&gt;d" in page
    assert ">↵<" in page
    assert "&lt;/s&gt;" in page


def test_page_has_every_text_and_log_probability(page: str) -> None:
    texts = re.findall(r'<q class="text">(.*?)</q>', page, re.DOTALL)
    for run in example().runs:
        for answer in run.trace.answers:
            assert answer.text in texts
            assert f"{answer.log_prob:.2f}".replace("-", "\u2212") in page
        assert explain(run.trace.decoding) in page


def test_beam_search_wins_in_the_example() -> None:
    best = {run.name: run.trace.answers[0] for run in example().runs}
    assert (best["greedy"].text, best["beam:3"].text) == (" cat sat down.", " old man slept.")
    assert best["beam:3"].log_prob > best["greedy"].log_prob
    assert re.search(r'<q class="text"> old man slept\.</q>[^<]+<code>beam:3</code>', render_decoding(example()))


def test_chosen_token_is_marked_once_per_step_and_never_excluded(page: str) -> None:
    chains = [run.trace.answers[0] for run in example().runs if run.name != "beam:3"]
    assert page.count('aria-label="chosen"') == sum(len(answer.steps) for answer in chains)
    candidates = [candidate for answer in chains[1:] for step in answer.steps for candidate in step.candidates]
    excluded = sum(candidate.chance == 0 for candidate in candidates)
    assert page.count('<span class="share cut">cut</span>') == excluded > 0


def test_kinds_of_branches_follow_from_the_trace() -> None:
    trace = example().runs[-1].trace
    branches = [node for column in nodes(trace) for node in column]
    best = [node for node in branches if node.kind == "won"]
    assert tuple(node.branch.token for node in best) == trace.answers[0].ids
    assert {node.kind for node in branches} == {kind for kind, _ in MARK}
    for node in branches:
        children = [
            other
            for other in branches
            if (other.column, other.branch.parent) == (node.column + 1, node.row) and other.kind != "dropped"
        ]
        assert bool(children) == (node.kind == "went-on" or (node.kind == "won" and node.branch.fate == "live"))


def test_long_answers_are_truncated_on_the_page() -> None:
    def endless(sequences: list[list[int]]) -> list[list[float]]:
        return [[0.0, 1.0, 0.5, 0.2]] * len(sequences)

    strategies = {"greedy": Decoding(max_tokens=STEPS + 5), "beam:2": Decoding("beam", beams=2, max_tokens=STEPS + 5)}
    runs = tuple(StrategyRun(name, decode(endless, [0], decoding)) for name, decoding in strategies.items())
    page = render_decoding(StrategyComparison("", runs, {1: " a"}))
    assert page.count('aria-label="chosen"') == STEPS
    assert page.count(f"first {STEPS} tokens") == 2
    assert f">token {STEPS}<" in page
    assert f">token {STEPS + 1}<" not in page
    assert "unknown" in page
    assert "␣a" in page


def test_page_of_one_strategy_has_only_its_drawing() -> None:
    for name in STRATEGIES:
        comparison = example()
        page = render_decoding(replace(comparison, runs=tuple(run for run in comparison.runs if run.name == name)))
        assert ('id="steps"' in page, 'id="beam-1"' in page) == (name != "beam:3", name == "beam:3")


@pytest.mark.parametrize(
    ("decoding", "pattern"),
    [
        (Decoding(), r"most probable token"),
        (Decoding("sample"), r"\bnot changed\b"),
        (Decoding("sample", temperature=0.5), r"\b0\.5 sharpens\b"),
        (Decoding("sample", temperature=1.5), r"\b1\.5 flattens\b"),
        (Decoding("sample", top_k=7), r"\b7\b.*\(top-k\)"),
        (Decoding("sample", top_p=0.9), r"\b90%.*\(top-p\)"),
        (Decoding("sample", min_p=0.1), r"\b10%.*\(min-p\)"),
        (Decoding("beam", beams=4), r"\b4\b.*\bby length\."),
        (Decoding("beam", beams=4, length_penalty=0.0), r"\bwithout length normalization\b"),
        (Decoding("beam", beams=4, length_penalty=0.6), r"\b0\.6 \(length penalty\b"),
        (Decoding(repetition_penalty=1.3), r"\bless\b.*\(repetition penalty 1\.3\)"),
    ],
)
def test_every_strategy_is_explained(decoding: Decoding, pattern: str) -> None:
    assert re.search(pattern, explain(decoding))


@given(st.text(max_size=9))
def test_visible_token_is_printable(token: str) -> None:
    symbols = visible(token)
    assert symbols
    assert symbols.isprintable()
    assert not set(symbols) & set(" \n\t")


def test_page_notes_that_the_repetition_penalty_reorders_beams() -> None:
    notes = []
    for penalty in (1.0, 1.5):
        decoding = Decoding("beam", beams=2, repetition_penalty=penalty, max_tokens=4)
        run = StrategyRun("beam:2", decode(step, [0], decoding))
        page = Decoded(render_decoding(StrategyComparison("", (run,), {})))
        notes.append(re.findall(r"\bBeams\b[^.]*\brepetition penalty\b", page.text))
    assert [len(matches) for matches in notes] == [0, 1]
