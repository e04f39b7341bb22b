"""FollowsFormat."""

from __future__ import annotations

import re
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay.components.scorers.verifiers.follows_format import FollowsFormat
from assay.core.sample import Sample
from assay.core.score import Outcome, Score, Unscored
from labs import tiny_lab


def outcome(text: str, rule: FollowsFormat, **fields: str) -> Outcome:
    return next(iter(rule.score([Sample({"text": text, **fields})], tiny_lab())))


def score(text: str, rule: FollowsFormat, **fields: str) -> Score:
    result = outcome(text, rule, **fields)
    assert isinstance(result, Score), result
    return result


KOREAN = "고양이가 매트 위에 조용히 앉아 있다."
RULES: dict[str, tuple[dict[str, Any], tuple[str, ...], tuple[str, ...]]] = {
    "all_of": (
        {"all_of": ("cat", "The mat")},
        ("A CAT sat on the mat.",),
        ("a cat", "concatenate the mat", "cat the, mats"),
    ),
    "all_of in Korean": ({"all_of": ("고양이",)}, (KOREAN,), ("개가 있다",)),
    "all_of of signs": ({"all_of": ("->",)}, ("a -> b",), ("a - > b",)),
    "none_of": ({"none_of": ("cat", "a dog")}, ("concatenate", "dog a"), ("The cat.", "It is a dog")),
    "one_of": ({"one_of": ("yes", "no")}, ("yes", " NO\n"), ("yes.", "yes no", "maybe")),
    "matches": ({"matches": r"^\d{3}$"}, ("123",), ("1234", "a 123")),
    "starts_with": ({"starts_with": "Dear"}, ("Dear Kim", "\n Dear"), ("dear", "My Dear")),
    "ends_with": ({"ends_with": "Bye."}, ("So. Bye.\n",), ("Bye", "bye.")),
    "min_words": ({"min_words": 3}, ("a b c", "고양이"), ("a b", "a-b")),
    "max_words": ({"max_words": 3}, ("a b c",), ("a b c d", "고양이다")),
    "min_lines": ({"min_lines": 2}, ("a\n\nb",), ("a b", "a\n\n")),
    "max_lines": ({"max_lines": 2}, ("a\n\nb\n",), ("a\nb\nc",)),
    "min_sentences": (
        {"min_sentences": 2},
        ("It is. So?", "네. 그래요!", "好。好。"),
        ("Dr. Kim is 3.5 m tall.", "a... ."),
    ),
    "max_sentences": ({"max_sentences": 1}, ("Mr. Kim went.", "- 1. so it is"), ("A. b. C d.", "One. Two. Three.")),
    "min_bullets": ({"min_bullets": 2}, ("- a\n- b", "text\n* a\n• b"), ("1. a\n2. b", "-a\n-b", "**a**\n**b**")),
    "max_bullets": ({"max_bullets": 1}, ("- a", "none"), ("- a\n - b",)),
    "language": ({"language": "ko"}, (KOREAN,), ("The cat sat quietly on the mat.", "네", "123 456")),
    "max_repeated": ({"max_repeated": 0.1, "repeat_ngram": 2}, ("a b c d e", "a"), ("a b a b a b", "no no no no")),
    "complete": (
        {"complete": True},
        ("So.", 'He said "so."', "그렇다。", "```\nx\n```", "It is **so.**", "Why?)"),
        ("So", "it is the", "a,"),
    ),
}


@pytest.mark.parametrize("name", RULES)
def test_each_rule_passes_and_fails(name: str) -> None:
    arguments, valid, invalid = RULES[name]
    rule, key = FollowsFormat(**arguments), name.split()[0]
    for text in valid:
        result = score(text, rule)
        assert (result.value, result.evidence) == (1.0, {key: 1.0}), text
    for text in invalid:
        result = score(text, rule)
        assert (result.value, result.evidence) == (0.0, {key: 0.0}), text
        assert f"{key}: " in result.reason


def test_score_is_the_fraction_of_rules_or_strict() -> None:
    rules: dict[str, Any] = {"all_of": ("cat",), "max_words": 3, "complete": True, "starts_with": "The"}
    assert score("The cat sat here", FollowsFormat(**rules)).value == 0.5
    assert score("The cat sat here", FollowsFormat(**rules, strict=True)).value == 0.0
    assert score("The cat sat.", FollowsFormat(**rules, strict=True)).value == 1.0
    reason = score("The cat sat here", FollowsFormat(**rules)).reason
    assert re.search(r"\bmax_words: .*\b4\b.*\b3\b.*\bcomplete: .*'The cat sat here'", reason)
    assert not re.search(r"all_of|starts_with", reason)


def test_empty_answer_follows_no_rule() -> None:
    result = score(" \n", FollowsFormat(none_of=("cat",), max_words=9))
    assert (result.value, result.evidence) == (0.0, {})


def test_words_from_fields_of_the_sample() -> None:
    rule = FollowsFormat(all_of=("the",), all_of_field="words", none_of_field="taboo")
    assert score("The dog took the frisbee.", rule, words="dog, frisbee", taboo="throw\ncatch").value == 1.0
    result = score("The dog may catch it.", rule, words="dog, frisbee", taboo="throw\ncatch")
    assert re.search(r"\ball_of: .*'frisbee'.*\bnone_of: .*'catch'", result.reason)
    assert not re.search(r"'the'|'dog'|'throw'", result.reason)
    for fields in ({"words": "dog"}, {"taboo": "a", "words": " ,\n"}):
        unscored = outcome("dog", rule, **fields)
        assert isinstance(unscored, Unscored)
        assert unscored.cause == "not_applicable"


def test_regular_expression_times_out_for_one_answer() -> None:
    rule = FollowsFormat(matches="^(a|aa)+$")
    samples = [Sample({"text": text}) for text in ("a" * 80 + "b", "aaa")]
    slow, right = rule.score(samples, tiny_lab())
    assert isinstance(slow, Unscored)
    assert slow.cause == "failed"
    assert isinstance(right, Score)
    assert right.value == 1.0


WRONG: dict[str, dict[str, Any]] = {
    r"FollowsFormat .*\brule\b": {"strict": True},
    r"FollowsFormat\.all_of .*'cat'": {"all_of": "cat"},
    r"FollowsFormat\.one_of .*' '": {"one_of": ("a", " ")},
    r"FollowsFormat\.min_words .*\b1\b.*\b0\b": {"min_words": 0},
    r"FollowsFormat\.max_lines .*\b3\b.*\b2\b": {"min_lines": 3, "max_lines": 2},
    r"FollowsFormat\.max_repeated .*\b0\b.*\b1\.0\b": {"max_repeated": 1.0},
    r"FollowsFormat\.repeat_ngram .*\b1\b.*\b0\b": {"max_repeated": 0.5, "repeat_ngram": 0},
    r"FollowsFormat\.language .*'kor'": {"language": "kor"},
    r"FollowsFormat\.matches\b": {"matches": "("},
    r"FollowsFormat\.answer\b": {"max_words": 1, "answer": ""},
}


@pytest.mark.parametrize("why", WRONG)
def test_invalid_arguments_raise(why: str) -> None:
    with pytest.raises(ValueError, match=why):
        FollowsFormat(**WRONG[why])


EVERY = FollowsFormat(
    **{"all_of": ("a",), "none_of": ("b",), "one_of": ("c",), "matches": "d", "starts_with": "e", "ends_with": "f"},
    **{"min_words": 2, "max_words": 9, "min_lines": 1, "max_lines": 2, "min_sentences": 1, "max_sentences": 2},
    **{"min_bullets": 1, "max_bullets": 2, "language": "en", "max_repeated": 0.5, "complete": True},  # type: ignore[arg-type]
)


@given(text=st.text() | st.text(alphabet="abcdef .\n-*```").map(lambda text: text * 3))
def test_no_text_raises(text: str) -> None:
    result = score(text, EVERY)
    assert 0 <= result.value <= 1
    assert len(result.evidence) == (17 if text.strip() else 0)


@given(text=st.text(min_size=1))
def test_a_long_answer_takes_no_long_time(text: str) -> None:
    begin = time.process_time()
    score((text * 20_000)[:20_000], EVERY)
    assert time.process_time() - begin < 5
