"""The novelty filter against brute force and rouge_score."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay.text.similarity import candidates, novelty
from assay.text.similarity.nearest import NearestText, nearest_before
from assay.text.similarity.novelty import NoveltyDecision, NoveltyFilter, NoveltyRule
from assay.text.similarity.rouge import rouge
from assay.text.similarity.tokens import ascii_tokens, tokens
from shared_data import shared

ALPHABETS = ("abcdefghijklmnopqrstuvwxyz0123456789", "가나다라마바사아자차", "翻译成英文法文德", "नमस्ते दुनिया", "éüñßø")


def f_of(one: str, other: str) -> float:
    return rouge(one, [other], ["rougeL"])["rougeL"].f


def twin(texts: Sequence[str], rule: NoveltyRule, held: Sequence[str] = ()) -> list[NoveltyDecision]:
    """Every text with every kept one."""
    kept = list(enumerate(held))
    found = []
    for number, text in enumerate(texts, start=len(held)):
        score, nearest = max(((f_of(text, other), -place) for place, other in kept), default=(0.0, 0))
        refused = score >= rule.limit if rule.strict else score > rule.limit
        found.append(NoveltyDecision(False, -nearest, score) if refused else NoveltyDecision(True, None, 0.0))
        if not refused:
            kept.append((number, text))
    return found


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
            one = list(rng.choice(words))
            for _ in range(rng.randint(0, max(1, len(one) // 3))):
                if one:
                    one[rng.randrange(len(one))] = rng.choice(vocabulary)
        else:
            one = rng.choices(vocabulary, k=rng.randint(0, longest))
        words.append(one)
    return [" ".join(one) for one in words]


RULES = st.builds(
    NoveltyRule, st.one_of(st.sampled_from([0.3, 0.5, 0.7, 0.8, 1.0]), st.floats(0.3, 1.0)), st.booleans()
)


@given(texts_of_few_words(), RULES, st.sampled_from([None, 1, 2, 7]), st.sampled_from([1, 5, 1 << 17]), st.data())
def test_decides_as_its_brute_force_twin(
    texts: list[str], rule: NoveltyRule, block: int | None, chunk: int, data: st.DataObject
) -> None:
    held = data.draw(st.integers(0, len(texts)), label="held")
    slab = data.draw(st.sampled_from([1, 4, 1 << 16]), label="slab")
    tail = data.draw(st.sampled_from([0, 3, 1024]), label="tail")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(candidates, "PAIRS_PER_CHUNK", chunk)
        patch.setattr(candidates, "MIN_MERGE", tail)
        patch.setattr(novelty, "SKETCH_BATCH", slab)
        judge = NoveltyFilter(rule, block=block)
        judge.add_references(texts[:held])
        found = judge.add_all(texts[held:])
    assert found == twin(texts[held:], rule, texts[:held])
    assert judge.kept == held + sum(one.kept for one in found)


@given(texts_of_few_words(), RULES, st.data())
def test_a_stream_is_judged_as_batches_are(texts: list[str], rule: NoveltyRule, data: st.DataObject) -> None:
    whole = NoveltyFilter(rule).add_all(texts)
    stream = NoveltyFilter(rule)
    assert [stream.add(text) for text in texts] == whole
    batches, found = NoveltyFilter(rule), list[NoveltyDecision]()
    while len(found) < len(texts):
        size = data.draw(st.integers(1, 9))
        found += batches.add_all(iter(texts[len(found) : len(found) + size]))
    assert found == whole


@given(texts_of_few_words(), RULES, st.data())
def test_check_compares_with_the_index_and_adds_nothing(
    texts: list[str], rule: NoveltyRule, data: st.DataObject
) -> None:
    cut = data.draw(st.integers(0, len(texts)))
    held, looked = texts[:cut], texts[cut:]
    judge = NoveltyFilter(rule)
    judge.add_references(held)
    for _ in range(2):
        assert judge.check(looked) == [twin([text], rule, held)[0] for text in looked]
    assert judge.kept == len(held)
    assert judge.add_all(looked) == twin(looked, rule, held)


@given(texts_of_few_words(), st.integers(0, 10), st.booleans(), st.sampled_from([1, 8]))
def test_the_nearest_before_is_that_of_every_pair(texts: list[str], held: int, among: bool, first: int) -> None:
    against, own = texts[:held], texts[held:]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("assay.text.similarity.nearest.FIRST_CANDIDATES", first)
        found = nearest_before(own, against, among=among)
    for nth, one in enumerate(found):
        others = [*against, *(own[:nth] if among else [])]
        score, place = max(((f_of(own[nth], other), -number) for number, other in enumerate(others)), default=(0.0, 0))
        assert (one.f, one.number) == ((score, -place) if score else (0.0, None))
        if one.number is not None:
            sizes = len(tokens(own[nth])), len(tokens(others[one.number]))
            assert one.sizes == sizes
            assert 2 * one.shared / sum(sizes) == pytest.approx(one.f)


def by_rouge_score(texts: Sequence[str], rule: NoveltyRule) -> list[bool]:
    """The published loop, in one process: yizhongw/self-instruct, bootstrap_instructions.py."""
    rouge_scorer = pytest.importorskip("rouge_score.rouge_scorer")
    scorer = rouge_scorer.RougeScorer(["rougeL"], use_stemmer=False)
    kept: list[str] = []
    for text in texts:
        scores = [scorer.score(text, other)["rougeL"].fmeasure for other in kept]
        if scores and (max(scores) >= rule.limit if rule.strict else max(scores) > rule.limit):
            kept.append("")  # keeps the places; nothing is like it
        else:
            kept.append(text)
    return [bool(text) for text in kept]


@pytest.mark.parametrize("strict", [False, True])
def test_keeps_what_the_published_loop_keeps(strict: bool) -> None:
    """Ten and seven of ten words in order: F is 0.7 by rouge_score's roundings, whichever side of 7/10 they fall."""
    rng = random.Random(5)
    words = [f"w{nth}" for nth in range(30)]
    texts = []
    for _ in range(90):
        one = rng.choice(texts).split() if texts and rng.random() < 0.6 else rng.choices(words, k=rng.randint(3, 20))
        texts.append(" ".join(rng.choice(words) if rng.random() < 0.3 else word for word in one))
    rule = NoveltyRule(0.7, strict)
    assert [one.kept for one in NoveltyFilter(rule, ascii_tokens).add_all(texts)] == by_rouge_score(texts, rule)


def test_lengths_whose_f_is_seven_tenths_are_decided_by_its_last_bit() -> None:
    pytest.importorskip("rouge_score")
    sides = set()
    for shared_words in range(7, 36, 7):
        for own in range(shared_words, 20 * shared_words // 7 - shared_words + 1):
            other = 20 * shared_words // 7 - own
            one = [*(f"s{nth}" for nth in range(shared_words)), *(f"a{nth}" for nth in range(own - shared_words))]
            two = [*(f"s{nth}" for nth in range(shared_words)), *(f"b{nth}" for nth in range(other - shared_words))]
            texts = [" ".join(one), " ".join(two)]
            for strict in (False, True):
                rule = NoveltyRule(0.7, strict)
                kept = [found.kept for found in NoveltyFilter(rule).add_all(texts)]
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
    assert sum(one.kept for one in published) == 9229
    dropped = [one for one in papers if not one.kept]
    assert len(dropped) == 35
    assert {one.score for one in dropped} == {0.7}


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
    found = NoveltyFilter().add_all(copies)
    assert [one.kept for one in found] == [True] * 6 + [False] * 7
    assert found[6:] == [*(NoveltyDecision(False, nth, 1.0) for nth in range(6)), NoveltyDecision(False, 0, 1.0)]
    lost = NoveltyFilter(tokenize=ascii_tokens).add_all(KOREAN * 2)
    # What rouge_score sees: nothing, and so no copy; or "python list" twice.
    assert [one.kept for one in lost] == [True, True, True, False, True, True, True, True, False, False, True, True]


def test_texts_without_words_are_kept() -> None:
    found = NoveltyFilter().add_all(["", "...", "", "word", "word", ""])
    assert [one.kept for one in found] == [True, True, True, True, False, True]
    assert NoveltyFilter().add_all([]) == []
    assert nearest_before(["", "a"]) == [NearestText(None, 0.0, 0, (0, 0)), NearestText(None, 0.0, 0, (1, 0))]


def test_a_text_is_as_near_as_its_nearest_and_of_equals_the_first() -> None:
    found = NoveltyFilter(NoveltyRule(0.6)).add_all(["a b c d e", "a x y d z", "v w x d e", "a b c d", "a b c d e"])
    assert found[3:] == [NoveltyDecision(False, 0, f_of("a b c d", "a b c d e")), NoveltyDecision(False, 0, 1.0)]
    found = NoveltyFilter(NoveltyRule(0.6)).add_all(["a b x y", "c d x y", "a b c d x y"])
    assert found[2].nearest == 0


def test_an_invalid_limit_is_rejected() -> None:
    for limit in (0.0, -1.0, 70.0, float("nan")):
        with pytest.raises(ValueError) as caught:  # noqa: PT011
            NoveltyRule(limit)
        assert str(limit) in str(caught.value)


def seconds(texts: Sequence[str]) -> tuple[float, list[NoveltyDecision]]:
    start = time.process_time()
    found = NoveltyFilter().add_all(texts)
    return time.process_time() - start, found


def test_texts_that_are_all_alike_take_no_longer() -> None:
    took, found = seconds(["Write a story about a dog in the park."] * 100_000)
    assert sum(one.kept for one in found) == 1
    assert set(found[1:]) == {NoveltyDecision(False, 0, 1.0)}
    assert took < 20


def test_one_template_with_one_changing_word_takes_no_longer() -> None:
    took, found = seconds([f"Write a short story about the number {nth} for small children." for nth in range(20_000)])
    assert sum(one.kept for one in found) == 1
    assert found[-1] == NoveltyDecision(False, 0, 20 / 22)
    assert took < 20


def test_texts_that_are_all_just_at_the_limit_are_not_compared() -> None:
    """Seven words of ten are the same in every pair: F is 0.7, which the published rule lets pass."""
    texts = [f"Please write about a{nth} and b{nth} or c{nth} for me" for nth in range(4_000)]
    took, found = seconds(texts)
    assert all(one.kept for one in found)
    assert took < 10


@pytest.mark.full
def test_a_megabyte_is_a_text_too() -> None:
    rng = random.Random(1)
    words = [f"token{rng.randrange(5000)}" for _ in range(110_000)]
    other = [f"other{rng.randrange(5000)}" for _ in range(110_000)]
    near = [word if rng.random() < 0.9 else "x" for word in words]
    texts = ["a short text", " ".join(words), " ".join(other), " ".join(near), "a short text"]
    assert len(texts[1]) > 1_000_000
    took, found = seconds(texts)
    assert [one.kept for one in found] == [True, True, True, False, False]
    assert found[3].nearest == 1
    assert took < 60
