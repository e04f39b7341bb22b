"""Detectors of secrets and personal data in texts, with masked findings.

Secrets: key formats of detect-secrets (Yelp, Apache-2.0) and of a few newer services, and random-looking values
assigned to names such as `api_key`. Keys are never sent anywhere for validation. Passwords in prose are not found.

Personal data, by pattern and check digits: e-mail addresses, phone numbers (Google's libphonenumber, PyPI
phonenumbers), payment cards, IBANs, IP addresses, US social security numbers and Korean resident registration numbers
(python-stdnum). Names, street addresses and dates of birth are not found. presidio-analyzer has the same patterns, and
for names needs a spaCy model that is on no package index.
"""

from __future__ import annotations

import ipaddress
import math
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain

from assay.core.errors import require

WINDOW = 20_000
"""Maximum characters per pattern search: the patterns are written for lines."""
WINDOW_OVERLAP = 600
"""Characters shared by consecutive windows, so that no finding is split."""


@dataclass(frozen=True)
class PrivacyFinding:
    """Secret or personal data found in a text."""

    kind: str
    value: str
    start: int
    """Character offset from 0."""

    @property
    def masked(self) -> str:
        """Value that can be recognized but not used."""
        return mask(self.value)


def mask(value: str) -> str:
    """Mask a value: "j…@e….com" for e-mail addresses, the last two digits of numbers, else the first two characters."""
    name, at, host = value.partition("@")
    if at and "." in host and not value.startswith("@"):
        first, _, last = host.rpartition(".")
        return f"{name[:1]}…@{first[:1]}….{last}"
    if sum(character.isalpha() for character in value) < len(value) / 2 and not value[:2].isalpha():
        return f"…{value[-2:]}"
    return f"{value[:2]}… ({len(value)} characters)"


def text_windows(text: str) -> Iterator[tuple[int, str]]:
    """(offset, window): lines that are not blank; long lines give overlapping windows."""
    start = 0
    for line in text.split("\n"):
        if len(line) <= WINDOW:
            if line.strip():
                yield start, line
        else:
            for at in range(0, len(line), WINDOW - WINDOW_OVERLAP):
                yield start + at, line[at : at + WINDOW]
        start += len(line) + 1


def without_overlaps(findings: Sequence[PrivacyFinding]) -> list[PrivacyFinding]:
    """Findings sorted by offset; of overlapping ones the first in `findings` is kept."""
    rank = {finding: number for number, finding in reversed(list(enumerate(findings)))}
    result: list[PrivacyFinding] = []
    for finding in sorted(rank, key=lambda finding: (finding.start, rank[finding])):
        if result and finding.start < result[-1].start + len(result[-1].value):
            if rank[finding] < rank[result[-1]]:
                result[-1] = finding
            continue
        result.append(finding)
    return result


def counts_by_kind(findings: Sequence[PrivacyFinding]) -> dict[str, int]:
    """Number of findings by kind, most frequent first."""
    return dict(Counter(finding.kind for finding in findings).most_common())


def findings_summary(findings: Sequence[PrivacyFinding], max_examples: int = 3) -> str:
    """Kinds, counts and up to `max_examples` masked examples per kind."""
    parts = []
    for kind, n in counts_by_kind(findings).items():
        examples = list(dict.fromkeys(finding.masked for finding in findings if finding.kind == kind))[:max_examples]
        parts.append(f"{kind} x{n} ({', '.join(examples)})")
    return "; ".join(parts)


ASSIGNED = "assigned secret"
RECENT_PATTERNS = {
    "Anthropic key": re.compile(r"\bsk-ant-[a-z0-9]{2,12}-[\w-]{40,200}"),
    "Google API key": re.compile(r"\bAIza[\w-]{35}(?![\w-])"),
    "Hugging Face token": re.compile(r"\bhf_[A-Za-z0-9]{34,40}\b"),
    "GitHub token": re.compile(r"\bgithub_pat_\w{60,90}\b"),
    "OpenAI key": re.compile(r"\bsk-(?:proj-|svcacct-)?[A-Za-z0-9_-]{40,200}(?![\w-])"),
}
_DETECT_SECRETS_PLUGINS = (
    ("artifactory", "ArtifactoryDetector"),
    ("aws", "AWSKeyDetector"),
    ("azure_storage_key", "AzureStorageKeyDetector"),
    ("basic_auth", "BasicAuthDetector"),
    ("discord", "DiscordBotTokenDetector"),
    ("github_token", "GitHubTokenDetector"),
    ("gitlab_token", "GitLabTokenDetector"),
    ("jwt", "JwtTokenDetector"),
    ("mailchimp", "MailchimpDetector"),
    ("npm", "NpmDetector"),
    ("openai", "OpenAIDetector"),
    ("private_key", "PrivateKeyDetector"),
    ("pypi_token", "PypiTokenDetector"),
    ("sendgrid", "SendGridDetector"),
    ("slack", "SlackDetector"),
    ("stripe", "StripeDetector"),
    ("telegram_token", "TelegramBotTokenDetector"),
    ("twilio", "TwilioKeyDetector"),
)
"""Modules and classes of format-based plugins; the others use variable names or entropy."""
_ASSIGNED = re.compile(
    r"(?i)\b[\w-]{0,20}(?:api[_-]?key|secret|token|passw(?:or)?d|access[_-]?key)[\w-]{0,12}[\"']?\s{0,3}(?:[:=]|\bis\b)"
    r"\s{0,3}[\"'`]?([A-Za-z0-9_\-/+=.]{12,200})"
)
_MIN_ENTROPY = 3.0
"""Minimum entropy per character of a random-looking value, in bits; English words have less."""


def find_secrets(text: str) -> list[PrivacyFinding]:
    """Secrets in a text, sorted by offset, without overlaps."""
    findings = [
        PrivacyFinding(kind, value, at + start)
        for at, part in text_windows(text)
        for kind, value, start in _detect_secrets(part)
    ]
    return without_overlaps(findings)


def _detect_secrets(part: str) -> Iterator[tuple[str, str, int]]:
    for kind, pattern, is_valid in _secret_patterns():
        for match in pattern.finditer(part):
            if is_valid(match.group()):
                yield kind, match.group(), match.start()
    for match in _ASSIGNED.finditer(part):
        if looks_random(match.group(1)):
            yield ASSIGNED, match.group(1), match.start(1)


def _has_digit(value: str) -> bool:
    return any(map(str.isdigit, value))


def _always_true(value: str) -> bool:
    return True


def looks_random(value: str) -> bool:
    """Whether a value has letters, digits and at least `_MIN_ENTROPY` bits of entropy per character."""
    n = len(value)
    bits = -sum(count / n * math.log2(count / n) for count in Counter(value).values()) if n else 0.0
    return _has_digit(value) and any(map(str.isalpha, value)) and bits >= _MIN_ENTROPY


@lru_cache(maxsize=1)
def _secret_patterns() -> tuple[tuple[str, re.Pattern[str], Callable[[str], bool]], ...]:
    """(kind, pattern, validator); the library's own search returns only the capture group of a pattern."""
    plugins = [
        getattr(require(f"detect_secrets.plugins.{module}", "privacy"), name)()
        for module, name in _DETECT_SECRETS_PLUGINS
    ]
    return (
        *((kind, pattern, _has_digit) for kind, pattern in RECENT_PATTERNS.items()),
        *(
            (plugin.secret_type, pattern, getattr(plugin, "is_formally_valid", _always_true))
            for plugin in plugins
            for pattern in plugin.denylist
        ),
    )


EMAIL, CARD, IBAN, IP, SSN, RRN, PHONE = (
    "e-mail address",
    "payment card",
    "IBAN",
    "IP address",
    "US social security number",
    "Korean resident number",
    "phone number",
)
PERSONAL_DATA_KINDS = (EMAIL, CARD, IBAN, RRN, SSN, IP, PHONE)
"""In order of precedence: a payment card is not reported as a phone number."""
DEFAULT_REGIONS = ("US",)
_HOST = r"@(?:[\w-]{1,63}\.){1,8}(?:[A-Za-z]{2,24}(?![A-Za-z0-9_-])|[^\W\dA-Za-z_]{2,24}(?![\w-]))"
_EMAIL = re.compile(r"(?<![A-Za-z0-9._%+-])[A-Za-z0-9._%+-]{1,64}" + _HOST)
"""ASCII local part: Korean particles may follow an address without a space."""
_EMAIL_ANY = re.compile(r"(?<![\w.%+-])[\w.%+-]{1,64}" + _HOST)
_CARD = re.compile(r"(?<![\d.])[3-6]\d{3}(?:[ -]?\d){9,15}(?![\d])")
_IBAN = re.compile(r"\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]){11,30}\b")
_RRN = re.compile(r"(?<!\d)\d{6}-\d{7}(?!\d)")
_SSN = re.compile(r"(?<![\d-])\d{3}-\d{2}-\d{4}(?![\d-])")
_IPV4 = re.compile(r"(?<![\d.])(?:\d{1,3}\.){3}\d{1,3}(?![\d.]*\d)")
_IPV6 = re.compile(r"(?<![\w:])(?:[0-9A-Fa-f]{1,4}:){2,7}(?::?[0-9A-Fa-f]{1,4}){1,6}(?![\w:])")
_DIGITS = re.compile(r"\d(?:\D{0,4}\d){6}")
"""Required by every phone number; a fast check before the slow matcher."""


def find_personal_data(
    text: str, kinds: Sequence[str] = PERSONAL_DATA_KINDS, regions: Sequence[str] = DEFAULT_REGIONS
) -> list[PrivacyFinding]:
    """Personal data in a text, sorted by offset, without overlaps.

    Args:
        text: Text of any length and script.
        kinds: Subset of `PERSONAL_DATA_KINDS`.
        regions: ISO 3166 codes of countries whose phone numbers are found without country code, such as "US"; numbers
            with + are found for every country.
    """
    findings = [
        PrivacyFinding(kind, value, at + start)
        for kind in (kind for kind in PERSONAL_DATA_KINDS if kind in kinds)
        for at, part in text_windows(text)
        for start, value in _finders(regions)[kind](part)
    ]
    return without_overlaps(findings)


def check_regions(regions: Sequence[str]) -> None:
    """Reject unknown phone number regions.

    Raises:
        ValueError: A region is not supported.
    """
    supported = require("phonenumbers", "privacy").SUPPORTED_REGIONS
    unknown = [region for region in regions if region not in supported]
    if isinstance(regions, str) or unknown:
        raise ValueError(f"Regions must be ISO 3166 codes such as 'US' or 'KR', had {regions!r}.")


def _finders(regions: Sequence[str]) -> dict[str, Callable[[str], Iterator[tuple[int, str]]]]:
    return {
        EMAIL: lambda part: chain(_matches(_EMAIL)(part), _matches(_EMAIL_ANY)(part)),
        CARD: _matches(_CARD, _is_card),
        IBAN: _matches(_IBAN, _is_iban),
        RRN: _matches(_RRN, _is_rrn),
        SSN: _matches(_SSN, _is_ssn),
        IP: _addresses,
        PHONE: lambda part: _phones(part, regions),
    }


def _matches(
    pattern: re.Pattern[str], is_valid: Callable[[str], bool] = lambda value: True
) -> Callable[[str], Iterator[tuple[int, str]]]:
    return lambda part: ((match.start(), match.group()) for match in pattern.finditer(part) if is_valid(match.group()))


def _is_card(value: str) -> bool:
    luhn = require("stdnum.luhn", "privacy")

    digits = re.sub(r"\D", "", value)
    return len(set(digits)) > 1 and bool(luhn.is_valid(digits))


def _is_iban(value: str) -> bool:
    return bool(require("stdnum.iban", "privacy").is_valid(value))


def _is_rrn(value: str) -> bool:
    return bool(require("stdnum.kr.rrn", "privacy").is_valid(value))


def _is_ssn(value: str) -> bool:
    return bool(require("stdnum.us.ssn", "privacy").is_valid(value))


def _addresses(part: str) -> Iterator[tuple[int, str]]:
    for pattern in (_IPV4, _IPV6):
        for match in pattern.finditer(part):
            try:
                ipaddress.ip_address(match.group())
            except ValueError:
                continue
            yield match.start(), match.group()


def _phones(part: str, regions: Sequence[str]) -> Iterator[tuple[int, str]]:
    phonenumbers = require("phonenumbers", "privacy")
    if not _DIGITS.search(part):
        return
    for region in (None, *regions):
        for match in phonenumbers.PhoneNumberMatcher(part, region):
            yield match.start, match.raw_string
