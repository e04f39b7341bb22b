"""The novelty filter against brute force and rouge_score."""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Iterator, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay.text.similarity import candidates, novelty
from assay.text.similarity.candidates import IntArray, Postings, Prefixes
from assay.text.similarity.lcs import lcs_length
from assay.text.similarity.nearest import NearestText, nearest_before
from assay.text.similarity.novelty import NoveltyDecision, NoveltyFilter, NoveltyRule
from assay.text.similarity.rouge import rouge
from assay.text.similarity.tokens import ascii_tokens, tokens
from shared_data import shared

ALPHABETS = ("abcdefghijklmnopqrstuvwxyz0123456789", "가나다라마바사아자차", "翻译成英文法文德", "नमस्ते दुनिया", "éüñßø")


def f_of(text: str, other: str) -> float:
    return rouge(text, [other], ["rougeL"])["rougeL"].f


def brute_force_decisions(
    texts: Sequence[str], rule: NoveltyRule, references: Sequence[str] = ()
) -> list[NoveltyDecision]:
    """Every text with every kept one."""
    indexed = list(enumerate(references))
    decisions = []
    for number, text in enumerate(texts, start=len(references)):
        score, nearest = max(((f_of(text, other), -place) for place, other in indexed), default=(0.0, 0))
        refused = score >= rule.limit if rule.strict else score > rule.limit
        decisions.append(NoveltyDecision(False, -nearest, score) if refused else NoveltyDecision(True, None, 0.0))
        if not refused:
            indexed.append((number, text))
    return decisions


@st.composite
def texts_of_few_words(draw: st.DrawFn) -> list[str]:
    """Texts of a small vocabulary, copies, and copies with a few words changed: many F at and about any limit."""
    rng = random.Random(draw(st.integers(0, 2**32)))
    letters = draw(st.sampled_from(ALPHABETS))
    vocabulary = ["".join(rng.choices(letters, k=2)) for _ in range(draw(st.integers(1, 40)))]
    longest = draw(st.sampled_from([3, 12, 40, 150]))
    words: list[list[str]] = []
    for _ in range(draw(st.integers(0, 30 if longest < 100 else 12))):
        if words and rng.random() < 0.5:
            sequence = list(rng.choice(words))
            for _ in range(rng.randint(0, max(1, len(sequence) // 3))):
                if sequence:
                    sequence[rng.randrange(len(sequence))] = rng.choice(vocabulary)
        else:
            sequence = rng.choices(vocabulary, k=rng.randint(0, longest))
        words.append(sequence)
    return [" ".join(sequence) for sequence in words]


RULES = st.builds(
    NoveltyRule, st.one_of(st.sampled_from([0.3, 0.5, 0.7, 0.8, 1.0]), st.floats(0.3, 1.0)), st.booleans()
)


@given(texts_of_few_words(), RULES, st.sampled_from([None, 1, 2, 7]), st.sampled_from([1, 5, 1 << 17]), st.data())
def test_decisions_equal_those_of_brute_force(
    texts: list[str], rule: NoveltyRule, block: int | None, chunk: int, data: st.DataObject
) -> None:
    reference_count = data.draw(st.integers(0, len(texts)), label="reference count")
    references, queries = texts[:reference_count], texts[reference_count:]
    slab = data.draw(st.sampled_from([1, 4, 1 << 16]), label="slab")
    tail = data.draw(st.sampled_from([0, 3, 1024]), label="tail")
    long_text = data.draw(st.sampled_from([0, 2048]), label="long text")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(candidates, "PAIRS_PER_CHUNK", chunk)
        patch.setattr(candidates, "MIN_MERGE", tail)
        patch.setattr(novelty, "SKETCH_BATCH", slab)
        patch.setattr(novelty, "LONG_TEXT", long_text)
        judge = NoveltyFilter(rule, block=block)
        judge.add_references(references)
        decisions = judge.add_all(queries)
    assert decisions == brute_force_decisions(queries, rule, references)
    assert judge.kept == len(references) + sum(decision.kept for decision in decisions)


@given(texts_of_few_words(), RULES, st.data())
def test_a_stream_is_judged_as_batches_are(texts: list[str], rule: NoveltyRule, data: st.DataObject) -> None:
    whole = NoveltyFilter(rule).add_all(texts)
    stream = NoveltyFilter(rule)
    assert [stream.add(text) for text in texts] == whole
    batches, decisions = NoveltyFilter(rule), list[NoveltyDecision]()
    while len(decisions) < len(texts):
        size = data.draw(st.integers(1, 9))
        decisions += batches.add_all(iter(texts[len(decisions) : len(decisions) + size]))
    assert decisions == whole


@given(texts_of_few_words(), RULES, st.data())
def test_check_compares_with_the_index_and_adds_nothing(
    texts: list[str], rule: NoveltyRule, data: st.DataObject
) -> None:
    reference_count = data.draw(st.integers(0, len(texts)))
    references, queries = texts[:reference_count], texts[reference_count:]
    judge = NoveltyFilter(rule)
    judge.add_references(references)
    for _ in range(2):
        assert judge.check(queries) == [brute_force_decisions([text], rule, references)[0] for text in queries]
    assert judge.kept == len(references)
    assert judge.add_all(queries) == brute_force_decisions(queries, rule, references)


@given(texts_of_few_words(), st.integers(0, 10), st.booleans(), st.sampled_from([1, 8]))
def test_the_nearest_before_is_that_of_every_pair(
    texts: list[str], reference_count: int, among: bool, first: int
) -> None:
    references, queries = texts[:reference_count], texts[reference_count:]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("assay.text.similarity.nearest.FIRST_CANDIDATES", first)
        results = nearest_before(queries, references, among=among)
    for nth, (query, nearest) in enumerate(zip(queries, results, strict=True)):
        others = [*references, *(queries[:nth] if among else [])]
        score, place = max(((f_of(query, other), -number) for number, other in enumerate(others)), default=(0.0, 0))
        assert (nearest.f, nearest.number) == ((score, -place) if score else (0.0, None))
        if nearest.number is not None:
            assert nearest.sizes == (len(tokens(query)), len(tokens(others[nearest.number])))
            assert 2 * nearest.shared / sum(nearest.sizes) == pytest.approx(nearest.f)


def by_rouge_score(texts: Sequence[str], rule: NoveltyRule) -> list[bool]:
    """The published loop, in one process: yizhongw/self-instruct, bootstrap_instructions.py."""
    rouge_scorer = pytest.importorskip("rouge_score.rouge_scorer")
    scorer = rouge_scorer.RougeScorer(["rougeL"], use_stemmer=False)
    novel: list[str] = []
    for text in texts:
        scores = [scorer.score(text, other)["rougeL"].fmeasure for other in novel]
        if scores and (max(scores) >= rule.limit if rule.strict else max(scores) > rule.limit):
            novel.append("")  # keeps the places; nothing is like it
        else:
            novel.append(text)
    return [bool(text) for text in novel]


@pytest.mark.parametrize("strict", [False, True])
def test_keeps_what_the_published_loop_keeps(strict: bool) -> None:
    """Ten and seven of ten words in order: F is 0.7 by rouge_score's roundings, whichever side of 7/10 they fall."""
    rng = random.Random(5)
    words = [f"w{nth}" for nth in range(30)]
    texts = []
    for _ in range(90):
        sequence = (
            rng.choice(texts).split() if texts and rng.random() < 0.6 else rng.choices(words, k=rng.randint(3, 20))
        )
        texts.append(" ".join(rng.choice(words) if rng.random() < 0.3 else word for word in sequence))
    rule = NoveltyRule(0.7, strict)
    assert [decision.kept for decision in NoveltyFilter(rule, ascii_tokens).add_all(texts)] == by_rouge_score(
        texts, rule
    )


def test_lengths_whose_f_is_seven_tenths_are_decided_by_its_last_bit() -> None:
    pytest.importorskip("rouge_score")
    sides = set()
    for shared_words in range(7, 36, 7):
        for length in range(shared_words, 20 * shared_words // 7 - shared_words + 1):
            other_length = 20 * shared_words // 7 - length
            texts = [
                " ".join(f"s{nth}" if nth < shared_words else f"{letter}{nth}" for nth in range(words))
                for letter, words in (("a", length), ("b", other_length))
            ]
            for strict in (False, True):
                rule = NoveltyRule(0.7, strict)
                kept = [decision.kept for decision in NoveltyFilter(rule).add_all(texts)]
                assert kept == by_rouge_score(texts, rule)
                sides.add((strict, kept[1]))
    assert sides == {(False, True), (False, False), (True, True), (True, False)}


def test_the_published_rule_and_the_papers_differ_on_alpaca() -> None:
    """Figures of the published algorithm on these instructions: 35 have an F of just 0.7 with one before."""
    folder = shared("alpaca-9k.jsonl")
    lines = (folder / "alpaca-9k.jsonl").read_text(encoding="utf-8").splitlines()
    texts = [json.loads(line)["instruction"] for line in lines]
    published = NoveltyFilter(tokenize=ascii_tokens).add_all(texts)
    papers = NoveltyFilter(NoveltyRule(0.7, strict=True), ascii_tokens).add_all(texts)
    assert sum(decision.kept for decision in published) == 9229
    dropped = [decision for decision in papers if not decision.kept]
    assert len(dropped) == 35
    assert {decision.score for decision in dropped} == {0.7}


KOREAN = [
    "서울의 인구를 알려 주세요.",
    "서울의 인구는 얼마인가요?",
    "Python으로 list를 정렬하는 함수를 작성하세요.",
    "Python에서 list가 무엇인지 설명하세요.",
    "오늘 저녁 메뉴를 추천해 주세요.",
    "다음 문장을 영어로 번역하세요.",
]


def test_korean_instructions_neither_vanish_nor_become_one() -> None:
    copies = [*KOREAN, *KOREAN, "서울의 인구를 알려주세요!"]
    decisions = NoveltyFilter().add_all(copies)
    assert [decision.kept for decision in decisions] == [True] * 6 + [False] * 7
    assert decisions[6:] == [*(NoveltyDecision(False, nth, 1.0) for nth in range(6)), NoveltyDecision(False, 0, 1.0)]
    kept = [decision.kept for decision in NoveltyFilter(tokenize=ascii_tokens).add_all(KOREAN * 2)]
    # What rouge_score sees: nothing, and so no copy; or "python list" twice.
    assert kept == [True, True, True, False, True, True, True, True, False, False, True, True]


def test_texts_without_words_are_kept() -> None:
    decisions = NoveltyFilter().add_all(["", "...", "", "word", "word", ""])
    assert [decision.kept for decision in decisions] == [True, True, True, True, False, True]
    assert NoveltyFilter().add_all([]) == []
    assert nearest_before(["", "a"]) == [NearestText(None, 0.0, 0, (0, 0)), NearestText(None, 0.0, 0, (1, 0))]


def test_a_text_is_as_near_as_its_nearest_and_of_equals_the_first() -> None:
    decisions = NoveltyFilter(NoveltyRule(0.6)).add_all(["a b c d e", "a x y d z", "v w x d e", "a b c d", "a b c d e"])
    assert decisions[3:] == [NoveltyDecision(False, 0, f_of("a b c d", "a b c d e")), NoveltyDecision(False, 0, 1.0)]
    decisions = NoveltyFilter(NoveltyRule(0.6)).add_all(["a b x y", "c d x y", "a b c d x y"])
    assert decisions[2].nearest == 0


def test_an_invalid_limit_is_rejected() -> None:
    for limit in (0.0, -1.0, 70.0, float("nan")):
        with pytest.raises(ValueError) as caught:  # noqa: PT011
            NoveltyRule(limit)
        assert str(limit) in str(caught.value)


@pytest.fixture
def work(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """Counts of the work done: "candidates", pairs whose signatures are compared, and "alignments", LCS computed."""
    counts = Counter[str]()
    matches = Postings.matches

    def counting_matches(postings: Postings, prefixes: Prefixes) -> Iterator[tuple[IntArray, IntArray]]:
        for rows, others in matches(postings, prefixes):
            counts["candidates"] += len(rows)
            yield rows, others

    def counting_lcs_length(a: Sequence[int], b: Sequence[int]) -> int:
        counts["alignments"] += 1
        return lcs_length(a, b)

    monkeypatch.setattr(Postings, "matches", counting_matches)
    monkeypatch.setattr(novelty, "lcs_length", counting_lcs_length)
    return counts


ALIKE = {
    "copies": (["Write a story about a dog in the park."] * 2_000, 1.0),
    "one changing word": (
        [f"Write a short story about the number {nth} for small children." for nth in range(2_000)],
        20 / 22,
    ),
}


@pytest.mark.parametrize("kind", ALIKE)
def test_work_is_linear_in_texts_that_are_all_alike(kind: str, work: Counter[str]) -> None:
    texts, f = ALIKE[kind]
    decisions = NoveltyFilter().add_all(texts)
    assert decisions == [NoveltyDecision(True, None, 0.0), *[NoveltyDecision(False, 0, f)] * (len(texts) - 1)]
    assert work["alignments"] == len(texts) - 1
    # Texts of the first block meet each other; every later one meets the kept text, by each element of its prefix.
    assert work["candidates"] <= len(tokens(texts[0])) * (novelty.MIN_BLOCK**2 + len(texts))


def test_work_is_linear_in_texts_that_share_only_frequent_words(work: Counter[str]) -> None:
    texts = [f"the a{nth} of the b{nth} and c{nth} d{nth} in the e{nth} f{nth}" for nth in range(2_000)]
    assert all(decision.kept for decision in NoveltyFilter().add_all(texts))
    assert work["alignments"] == 0
    # A text meets itself in its block, by each of its rare words.
    assert work["candidates"] <= 10 * len(texts)


def test_texts_at_the_limit_are_excluded_by_their_signatures(work: Counter[str]) -> None:
    """Seven words of ten are the same in every pair: F is 0.7, which the published rule lets pass."""
    texts = [f"Please write about a{nth} and b{nth} or c{nth} for me" for nth in range(1_000)]
    assert all(decision.kept for decision in NoveltyFilter().add_all(texts))
    pairs = len(texts) * (len(texts) - 1) // 2
    assert work["candidates"] > pairs
    # Different words share a bit of the signature in one pair of about fifty.
    assert work["alignments"] < pairs / 40


def test_long_texts_that_share_too_few_words_are_not_aligned(work: Counter[str]) -> None:
    """Six words of ten are common: enough for a shared prefix, and too few for F above 0.7 in any order."""
    common = [f"word{nth}" for nth in range(1_800)]
    texts = [" ".join([*common, *(f"{letter}{nth}" for nth in range(1_200))]) for letter in "abcd"]
    assert all(decision.kept for decision in NoveltyFilter().add_all(texts))
    assert work["alignments"] == 0


@pytest.mark.full
def test_a_megabyte_is_a_text_too(work: Counter[str]) -> None:
    rng = random.Random(1)
    words = [f"token{rng.randrange(5000)}" for _ in range(110_000)]
    other = [f"other{rng.randrange(5000)}" for _ in range(110_000)]
    near = [word if rng.random() < 0.9 else "x" for word in words]
    texts = ["a short text", " ".join(words), " ".join(other), " ".join(near), "a short text"]
    assert len(texts[1]) > 1_000_000
    decisions = NoveltyFilter().add_all(texts)
    assert [decision.kept for decision in decisions] == [True, True, True, False, False]
    assert decisions[3].nearest == 1
    assert work["alignments"] == 2
