"""ROUGE against rouge_score, published ROUGE-1.5.5 values, and the LCS table."""

from __future__ import annotations

from pathlib import Path
from runpy import run_path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay.text.similarity import lcs
from assay.text.similarity.rouge import ROUGE_TYPES, RougeScore, rouge, stemmed
from assay.text.similarity.tokens import ascii_tokens, tokens

VECTORS = Path(__file__).parents[3].parent / "shared" / "data" / "rouge-vectors.json"
ALL = ("rouge1", "rouge2", "rouge3", "rougeL", "rougeLsum")

WORDS = st.lists(
    st.sampled_from(
        ["the", "cat", "cats", "sat", "sitting", "on", "a", "mat", "hopeful", ".", "\n", "-", "_", "\t", "é"]
    ),
    max_size=30,
).map(" ".join)
PLAIN = WORDS.map(lambda text: text.replace("é", "e"))
LETTERS = st.lists(st.sampled_from("abcd"), max_size=24)


def as_tuple(score: RougeScore) -> tuple[float, float, float]:
    return score.precision, score.recall, score.f


def expected(text: str, references: list[str], *, stemmer: bool) -> dict[str, tuple[float, float, float]]:
    from rouge_score.rouge_scorer import RougeScorer

    return {kind: tuple(s) for kind, s in RougeScorer(ALL, use_stemmer=stemmer).score_multi(references, text).items()}


@given(PLAIN, st.lists(PLAIN, min_size=1, max_size=3), st.booleans())
def test_ascii_text_scores_exactly_as_with_rouge_score(text: str, references: list[str], stemmer: bool) -> None:
    ours = rouge(text, references, ALL, stemmed(tokens) if stemmer else tokens)
    assert {kind: as_tuple(score) for kind, score in ours.items()} == expected(text, references, stemmer=stemmer)


@given(WORDS, WORDS)
def test_any_text_scores_exactly_as_with_rouge_score_by_its_tokens(text: str, reference: str) -> None:
    ours = rouge(text, [reference], ALL, ascii_tokens)
    assert {kind: as_tuple(score) for kind, score in ours.items()} == expected(text, [reference], stemmer=False)


@pytest.mark.skipif(not VECTORS.is_file(), reason="shared data are not here")
def test_scores_are_those_of_rouge_155() -> None:
    """The figures stand in the benchmark, which anybody can run on another folder."""
    benchmark = run_path(str(Path(__file__).parents[3] / "benchmarks" / "published_text.py"))
    figures = list(benchmark["rouge_figures"](VECTORS))
    assert len(figures) == 33
    for name, printed, ours, _ in figures:
        assert ours == pytest.approx(printed, abs=1e-5), name


def lcs_table(a: list[str], b: list[str]) -> list[list[int]]:
    """The textbook's."""
    rows = [[0] * (len(b) + 1) for _ in range(len(a) + 1)]
    for i, token in enumerate(a, 1):
        for j, other in enumerate(b, 1):
            rows[i][j] = rows[i - 1][j - 1] + 1 if token == other else max(rows[i - 1][j], rows[i][j - 1])
    return rows


def backtracked_positions(a: list[str], b: list[str]) -> list[int]:
    """Places in `a`, found from the end of the table as rouge_score finds them."""
    rows, i, j, places = lcs_table(a, b), len(a), len(b), []
    while i and j:
        if a[i - 1] == b[j - 1]:
            i, j = i - 1, j - 1
            places.append(i)
        elif rows[i][j - 1] > rows[i - 1][j]:
            j -= 1
        else:
            i -= 1
    return places[::-1]


@given(LETTERS, st.lists(st.sampled_from("abcdxyz"), max_size=24))
def test_the_length_is_that_of_the_table(a: list[str], b: list[str]) -> None:
    assert lcs.lcs_length(a, b) == lcs.lcs_length(b, a) == lcs_table(a, b)[-1][-1]


@given(st.lists(st.integers(0, 9), max_size=150), st.lists(st.integers(0, 9), max_size=150))
def test_the_length_of_long_sequences_of_ids_is_that_of_the_table(a: list[int], b: list[int]) -> None:
    words = [[f"w{token}" for token in sequence] for sequence in (a, b)]
    assert lcs.lcs_length(a, b) == lcs.lcs_length(*words) == lcs_table(*words)[-1][-1]


@given(LETTERS, st.lists(st.sampled_from("abcdxyz"), max_size=24))
def test_the_places_are_those_that_the_table_is_walked_by(a: list[str], b: list[str]) -> None:
    bits = lcs.lcs_positions(lcs.token_masks(a), len(a), b)
    assert [nth for nth in range(len(a)) if bits >> nth & 1] == backtracked_positions(a, b)


def test_the_places_of_long_sequences_are_found_in_parts() -> None:
    a = [str(nth * nth % 17) for nth in range(700)]
    b = [str(nth * nth * nth % 19) for nth in range(900)]
    bits = lcs.lcs_positions(lcs.token_masks(a), len(a), b)
    assert [nth for nth in range(len(a)) if bits >> nth & 1] == backtracked_positions(a, b)


@pytest.mark.parametrize(
    ("text", "reference", "f"),
    [
        ("서울의 인구를 알려 주세요", "서울의 인구는 얼마인가요", 12 / 22),
        ("학생이 학교에 갔다", "학생은 학교에 갔다", 14 / 16),
        ("把这句话翻译成英文", "把这句话翻译成法文", 16 / 18),
        ("今日は天気がいい", "明日は天気がいい", 14 / 16),
        ("ฉันรักแมว", "ฉันรักหมา", 10 / 14),
        ("القط على الحصيرة", "القط تحت الحصيرة", 4 / 6),
        ("Кот сидит", "кот СИДИТ!", 1.0),
        ("완전히 다른 문장", "无关的句子", 0.0),
    ],
)
def test_every_script_is_compared(text: str, reference: str, f: float) -> None:
    assert rouge(text, [reference], ["rougeL"])["rougeL"].f == pytest.approx(f)
    assert rouge(text, [text], ALL)["rouge1"].f == 1.0
    assert rouge(text, [text], ["rougeLsum"])["rougeLsum"] == RougeScore(1.0, 1.0, 1.0)


@pytest.mark.parametrize(
    ("text", "reference"), [("", ""), ("", "words"), ("words", ""), ("...", "words"), ("\n\n", "a")]
)
def test_a_side_without_words_scores_nothing(text: str, reference: str) -> None:
    assert set(rouge(text, [reference], ROUGE_TYPES).values()) == {RougeScore(0.0, 0.0, 0.0)}


def test_the_best_reference_counts_for_each_kind_by_itself() -> None:
    scores = rouge("a b c d", ["d c b a", "a b x y"], ["rouge1", "rougeL"])
    assert scores["rouge1"].f == 1.0
    assert scores["rougeL"] == RougeScore(0.5, 0.5, 0.5)


def test_an_unknown_type_and_missing_references_are_rejected() -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011
        rouge("a", ["a"], ["rouge0"])
    assert "'rouge0'" in str(caught.value)
    with pytest.raises(ValueError):  # noqa: PT011
        rouge("a", [], ["rouge1"])


@pytest.mark.full
def test_a_megabyte_is_compared_with_another() -> None:
    numbers = [(nth * 2654435761) % 2**32 for nth in range(300_000)]
    text = " ".join(str(number % 4001) + ("\n" if number % 23 == 0 else "") for number in numbers[:150_000])
    other = " ".join(str(number % 3989) + ("\n" if number % 19 == 0 else "") for number in numbers[150_000:])
    scores = rouge(text, [other], ["rouge1", "rouge2", "rougeL", "rougeLsum"])
    assert all(0 < score.f < 1 for kind, score in scores.items() if kind != "rouge2")
