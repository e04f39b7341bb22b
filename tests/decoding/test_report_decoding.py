from __future__ import annotations

import re
from dataclasses import replace

import pytest
from decoding_example import WAYS, example, step
from hypothesis import given
from hypothesis import strategies as st

from assay.core.decoding import Decoding
from assay.decoding.lattice import MARK, nodes
from assay.decoding.page import STEPS, Tried, Tries, explain, render_decoding, visible
from assay.text.decoding.reference import decode
from page_parts import Page


@pytest.fixture(scope="module")
def page() -> str:
    return render_decoding(example())


def test_the_page_stands_alone(page: str) -> None:
    parsed = Decoded(page)
    assert not {"script", "link", "img", "iframe", "object"} & set(parsed.tags)
    assert not [found for found in parsed.attributes if found[1] in ("src", "href", "srcset") or "url(" in found[2]]
    assert "http" not in page.replace("http-equiv", "")
    assert "default-src 'none'" in page


class Decoded(Page):
    """SVG of this page has paths, too, which close themselves."""

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag != "path":
            super().handle_startendtag(tag, attrs)


def test_what_a_model_says_is_escaped_and_seen(page: str) -> None:
    assert "<b>d" not in page
    assert "<i>" not in page
    assert "&lt;i&gt;Once&lt;/i&gt;" in page
    assert "␣b&lt;b&gt;d" in page
    assert ">↵<" in page
    assert "&lt;/s&gt;" in page


def test_every_text_and_its_numbers_are_there(page: str) -> None:
    shown = re.findall(r'<q class="text">(.*?)</q>', page, re.DOTALL)
    for one in example().tried:
        for answer in one.trace.answers:
            assert answer.text in shown
            assert f"{answer.log_prob:.2f}".replace("-", "\u2212") in page
        assert explain(one.trace.decoding) in page


def test_beam_search_wins_in_the_example() -> None:
    texts = {one.name: one.trace.answers[0] for one in example().tried}
    assert (texts["greedy"].text, texts["beam:3"].text) == (" cat sat down.", " old man slept.")
    assert texts["beam:3"].log_prob > texts["greedy"].log_prob
    assert '<q class="text"> old man slept.</q>, by <code>beam:3</code>' in render_decoding(example())


def test_a_chosen_token_is_marked_once_a_step_and_never_cut(page: str) -> None:
    chains = [one.trace.answers[0] for one in example().tried if one.name != "beam:3"]
    assert page.count('aria-label="chosen"') == sum(len(answer.steps) for answer in chains)
    cut = sum(candidate.chance == 0 for answer in chains[1:] for step in answer.steps for candidate in step.candidates)
    assert page.count('<span class="share cut">cut</span>') == cut > 0


def test_beams_are_drawn_by_what_became_of_them() -> None:
    trace = example().tried[-1].trace
    drawn = [node for column in nodes(trace) for node in column]
    won = [node for node in drawn if node.kind == "won"]
    assert tuple(node.branch.token for node in won) == trace.answers[0].ids
    assert {node.kind for node in drawn} == {kind for kind, _ in MARK}
    for node in drawn:
        children = [
            other
            for other in drawn
            if (other.column, other.branch.parent) == (node.column + 1, node.row) and other.kind != "dropped"
        ]
        assert bool(children) == (node.kind == "went-on" or (node.kind == "won" and node.branch.fate == "live"))


def test_long_answers_are_drawn_in_part() -> None:
    def endless(sequences: list[list[int]]) -> list[list[float]]:
        return [[0.0, 1.0, 0.5, 0.2]] * len(sequences)

    ways = {"greedy": Decoding(max_tokens=STEPS + 5), "beam:2": Decoding("beam", beams=2, max_tokens=STEPS + 5)}
    tried = tuple(Tried(name, decode(endless, [0], way)) for name, way in ways.items())
    page = render_decoding(Tries("", tried, {1: " a"}))
    assert page.count('aria-label="chosen"') == STEPS
    assert page.count(f"Only the first {STEPS} tokens are shown.") == 2
    assert f">token {STEPS}<" in page
    assert f">token {STEPS + 1}<" not in page
    assert "unknown" in page
    assert "␣a" in page


def test_a_page_of_one_strategy_lacks_the_others_drawing() -> None:
    for name in WAYS:
        tries = example()
        page = render_decoding(replace(tries, tried=tuple(one for one in tries.tried if one.name == name)))
        assert ('id="steps"' in page, 'id="beam-1"' in page) == (name != "beam:3", name == "beam:3")


@pytest.mark.parametrize(
    ("decoding", "said"),
    [
        (Decoding(), "most probable token"),
        (Decoding("sample"), "not changed"),
        (Decoding("sample", temperature=0.5), "sharpens"),
        (Decoding("sample", temperature=1.5), "flattens"),
        (Decoding("sample", top_k=7), "the 7 most probable"),
        (Decoding("sample", top_p=0.9), "90%"),
        (Decoding("sample", min_p=0.1), "10%"),
        (Decoding("beam", beams=4), "the 4 most probable"),
        (Decoding("beam", beams=4), "divided by length."),
        (Decoding("beam", beams=4, length_penalty=0.0), "without length"),
        (Decoding("beam", beams=4, length_penalty=0.6), "power of 0.6 (length penalty"),
        (Decoding(repetition_penalty=1.3), "less probable (repetition penalty 1.3)"),
    ],
)
def test_every_strategy_is_explained(decoding: Decoding, said: str) -> None:
    assert said in explain(decoding)


@given(st.text(max_size=9))
def test_a_token_can_always_be_seen(token: str) -> None:
    shown = visible(token)
    assert shown
    assert shown.isprintable()
    assert not set(shown) & set(" \n\t")


def test_a_penalty_that_reorders_beams_is_told() -> None:
    way = Decoding("beam", beams=2, repetition_penalty=1.5, max_tokens=4)
    tries = Tries("", (Tried("beam:2", decode(step, [0], way)),), {})
    assert "ordered after the repetition penalty" in render_decoding(tries)
    assert "ordered after the repetition penalty" not in render_decoding(example())
