"""PersonalData and Secrets: detection, false positives, and masked reasons."""

from __future__ import annotations

import re
from collections.abc import Callable
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from stdnum import luhn

from assay.components.filters.threshold import MAX_REASON, Threshold
from assay.components.scorers.text.privacy import PersonalData, Secrets
from assay.core.roles import ScoreTable
from assay.core.sample import Sample
from assay.core.score import Score
from assay.text.privacy.detectors import (
    ASSIGNED,
    CARD,
    EMAIL,
    IBAN,
    IP,
    PHONE,
    RRN,
    SSN,
    WINDOW,
    WINDOW_OVERLAP,
    PrivacyFinding,
    find_personal_data,
    find_secrets,
    findings_summary,
    looks_random,
    mask,
    text_windows,
    without_overlaps,
)
from labs import tiny_lab

WORDS = st.text(st.characters(categories=("Lu", "Ll", "Lo", "Zs")), max_size=120)
"""Letters and spaces of all scripts, without digits and punctuation."""
# Put together here, so that no file of ours holds what looks like a key.
AWS = "AKIA" + "IOSFODNN7EXAMPLE"
GITHUB = "ghp_" + "a1B2" * 9
PRIVATE = "-----BEGIN RSA " + "PRIVATE KEY-----"


def kinds(text: str, find: Callable[[str], list[PrivacyFinding]] = find_personal_data) -> list[str]:
    return [finding.kind for finding in find(text)]


@pytest.mark.parametrize(
    ("text", "kind", "value"),
    [
        ("Write to jane.doe+x@mail.example.org.", EMAIL, "jane.doe+x@mail.example.org"),
        ("메일은 kim@example.kr입니다", EMAIL, "kim@example.kr"),
        ("메일은kim@example.kr로", EMAIL, "kim@example.kr"),
        ("an kim@회사.한국 senden", EMAIL, "kim@회사.한국"),
        ("Call +1 (650) 253-0000 today", PHONE, "+1 (650) 253-0000"),
        ("Call 202-456-1414!", PHONE, "202-456-1414"),
        ("Paid by 4111-1111-1111-1111.", CARD, "4111-1111-1111-1111"),
        ("To GB82 WEST 1234 5698 7654 32 please", IBAN, "GB82 WEST 1234 5698 7654 32"),
        ("from 192.168.0.1, twice", IP, "192.168.0.1"),
        ("from 2001:db8::ff00:42:8329 again", IP, "2001:db8::ff00:42:8329"),
        ("SSN 536-90-4399", SSN, "536-90-4399"),
        ("주민등록번호 971013-9019902", RRN, "971013-9019902"),
    ],
    ids=["plus", "korean", "glued", "korean host", "abroad", "at home", "card", "iban", "ipv4", "ipv6", "ssn", "rrn"],
)
def test_personal_data_is_found_with_its_position(text: str, kind: str, value: str) -> None:
    findings = [finding for finding in find_personal_data(text) if finding.kind == kind]
    assert [finding.value for finding in findings] == [value]
    assert all(text[finding.start : finding.start + len(finding.value)] == finding.value for finding in findings)


@pytest.mark.parametrize(
    "text",
    [
        "4111 1111 1111 1112",
        "GB82 WEST 1234 5698 7654 33",
        "version 1.2.3.4.5 or 999.1.1.1",
        "at 12:30:45 on 2024-01-02",
        "000-12-3456",
        "@home and user@localhost",
        "0.12345678901234567",
        "In 1999 there were 1,000,000 of 12 345 people.",
    ],
    ids=["luhn", "mod 97", "version", "time", "ssn", "no host", "decimals", "years"],
)
def test_lookalikes_are_not_found(text: str) -> None:
    assert kinds(text) == []


def test_regions_argument() -> None:
    assert kinds("전화 02-312-3456") == []
    assert [finding.kind for finding in find_personal_data("전화 02-312-3456", regions=("KR",))] == [PHONE]
    with pytest.raises(ValueError, match="ISO 3166"):
        PersonalData(regions=("Korea",))


@given(WORDS)
def test_plain_words_have_no_findings(text: str) -> None:
    assert find_personal_data(text) == []
    assert find_secrets(text) == []


@given(WORDS, WORDS, st.text("abcdefghij", min_size=1, max_size=9), st.text("klmnop", min_size=2, max_size=9))
def test_email_address_is_found_between_any_words(before: str, after: str, name: str, host: str) -> None:
    text = f"{before} {name}@{host}.com {after}"
    assert [finding.value for finding in find_personal_data(text)] == [f"{name}@{host}.com"]


@given(st.text("0123456789", min_size=15, max_size=15), WORDS)
def test_card_needs_a_valid_check_digit(digits: str, words: str) -> None:
    whole = "4" + digits[1:] + luhn.calc_check_digit("4" + digits[1:])
    wrong = whole[:-1] + str((int(whole[-1]) + 1) % 10)
    assert CARD in kinds(f"{words} {whole} {words}")
    assert CARD not in kinds(f"{words} {wrong} {words}")


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        (f"the key is {AWS}, keep it", "AWS Access Key"),
        (f"push with {GITHUB}", "GitHub Token"),
        (PRIVATE, "Private Key"),
        ("https://joe:hunter2@example.org/", "Basic Auth Credentials"),
        ("hf_" + "aB3d" * 9, "Hugging Face token"),
        ("api_key = '" + "9f8a7b6c5d4e3f2a1b0c" + "'", ASSIGNED),
        ("내 PASSWORD: " + "xK92mQp41LzT", ASSIGNED),
    ],
    ids=["aws", "github", "private key", "basic auth", "hugging face", "assigned", "korean"],
)
def test_secrets_are_found_by_their_format(text: str, kind: str) -> None:
    (finding,) = find_secrets(text)
    assert finding.kind == kind
    assert text[finding.start : finding.start + len(finding.value)] == finding.value


@pytest.mark.parametrize(
    "text",
    [
        "A token is required for access.",
        "password: correcthorsebattery",
        "The secret is to begin early.",
        "token=aaaaaaaaaaaa1",
    ],
)
def test_prose_about_secrets_has_no_findings(text: str) -> None:
    assert find_secrets(text) == []


def test_reasons_mask_the_values() -> None:
    text = f"jane.doe@example.org, +1 650 253 0000, 4111 1111 1111 1111, {AWS}, {GITHUB}"
    (personal,) = PersonalData().score([Sample({"text": text})], tiny_lab())
    (secret,) = Secrets().score([Sample({"text": text})], tiny_lab())
    for outcome in (personal, secret):
        assert isinstance(outcome, Score)
        for value in ("jane.doe", "253", "4111", AWS[4:], GITHUB[4:12]):
            assert value not in outcome.reason
    assert isinstance(personal, Score)
    assert personal.evidence == {EMAIL: 1.0, CARD: 1.0, PHONE: 1.0}


@given(st.text(min_size=1, max_size=60))
def test_mask_hides_the_value(value: str) -> None:
    assert mask(value) != value
    assert len(mask(value).partition(" (")[0].replace("…", "")) <= max(3, len(value) - 1) or "@" in value


def test_threshold_reason_summarizes_the_findings() -> None:
    samples = [Sample({"text": text}) for text in ("mail me: a.b@example.org", "nothing", "x" * 9)]
    outcomes = PersonalData().score(samples, tiny_lab())
    table = ScoreTable([sample.id for sample in samples], {"private": list(outcomes)})
    first, second, third = Threshold("private", high=0).decide(table)
    assert not first.keep
    assert first.reason == "private is 1: e-mail address x1 (a…@e….org)"
    assert second.keep
    assert second.reason == "private is 0"
    assert third.keep
    long = ScoreTable(["a"], {"private": [Score(1.0, "word " * 200)]})
    assert len(Threshold("private", high=0).decide(long)[0].reason) <= MAX_REASON + 20


SPANS = st.lists(st.tuples(st.integers(0, 30), st.integers(1, 9)), max_size=9)


@given(SPANS)
def test_overlapping_findings_are_removed(spans: list[tuple[int, int]]) -> None:
    findings = [PrivacyFinding("a", "x" * length, start) for start, length in spans]
    disjoint = without_overlaps(findings)
    assert all(first.start + len(first.value) <= second.start for first, second in pairwise(disjoint))
    assert not findings or findings[0] in disjoint or any(finding.start <= findings[0].start for finding in disjoint)


def test_long_text_is_scanned_in_overlapping_windows() -> None:
    for at in range(WINDOW - 40, WINDOW + 5, 7):
        text = "y " * (at // 2) + "jane@example.org" + " z" * WINDOW
        (finding,) = find_personal_data(text)
        assert text[finding.start :].startswith("jane@")
    assert "".join(part for _, part in text_windows("ab\n\ncd")) == "abcd"
    assert WINDOW_OVERLAP < WINDOW


@pytest.mark.full
def test_ten_megabytes_are_scanned() -> None:
    text = "The quick brown fox met 12 people in 1999. " * 230_000 + "jane@example.org " + AWS
    assert [finding.kind for finding in find_personal_data(text)] == [EMAIL]
    assert [finding.kind for finding in find_secrets(text)] == ["AWS Access Key"]


def test_findings_summary() -> None:
    findings = [PrivacyFinding("e-mail address", f"{letter}@b.org", 0) for letter in "aabcde"]
    assert findings_summary(findings) == "e-mail address x6 (a…@b….org, b…@b….org, c…@b….org)"
    assert findings_summary([]) == ""
    assert looks_random("a1") is False
    assert re.fullmatch(r"…\d\d", mask("4111111111111111"))
