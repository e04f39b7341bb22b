"""Personal data in a text, by patterns whose check digits are right: what a program can know without reading.

E-mail addresses, phone numbers, payment cards, bank accounts (IBAN), addresses on the internet, social security numbers
of the United States and resident registration numbers of Korea. Names, street addresses and dates of birth are not
found: it takes a reader to tell them from other words.

Phone numbers are found by Google's libphonenumber (PyPI phonenumbers), check digits are python-stdnum's.
presidio-analyzer has the same kinds of patterns, and for names a spaCy model that no package index carries.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterator, Sequence
from itertools import chain

from assay.core.extras import require
from assay.text.privacy.findings import PrivacyFinding, text_windows, without_overlaps

EMAIL, CARD, IBAN, IP, SSN, RRN, PHONE = (
    "e-mail address",
    "payment card",
    "IBAN",
    "IP address",
    "US social security number",
    "Korean resident number",
    "phone number",
)
KINDS = (EMAIL, CARD, IBAN, RRN, SSN, IP, PHONE)
"""In the order in which they have the right of way: a card is no phone number."""
REGIONS = ("US",)
_HOST = r"@(?:[\w-]{1,63}\.){1,8}(?:[A-Za-z]{2,24}(?![A-Za-z0-9_-])|[^\W\dA-Za-z_]{2,24}(?![\w-]))"
_EMAIL = re.compile(r"(?<![A-Za-z0-9._%+-])[A-Za-z0-9._%+-]{1,64}" + _HOST)
"""Words of another script may be glued to an address of Latin letters, as Korean particles are."""
_EMAIL_ANY = re.compile(r"(?<![\w.%+-])[\w.%+-]{1,64}" + _HOST)
_CARD = re.compile(r"(?<![\d.])[3-6]\d{3}(?:[ -]?\d){9,15}(?![\d])")
_IBAN = re.compile(r"\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]){11,30}\b")
_RRN = re.compile(r"(?<!\d)\d{6}-\d{7}(?!\d)")
_SSN = re.compile(r"(?<![\d-])\d{3}-\d{2}-\d{4}(?![\d-])")
_IPV4 = re.compile(r"(?<![\d.])(?:\d{1,3}\.){3}\d{1,3}(?![\d.]*\d)")
_IPV6 = re.compile(r"(?<![\w:])(?:[0-9A-Fa-f]{1,4}:){2,7}(?::?[0-9A-Fa-f]{1,4}){1,6}(?![\w:])")
_DIGITS = re.compile(r"\d(?:\D{0,4}\d){6}")
"""What every phone number has; only stretches with it are given to the slow matcher."""


def personal_data(text: str, kinds: Sequence[str] = KINDS, regions: Sequence[str] = REGIONS) -> list[PrivacyFinding]:
    """What is found, in order of place.

    Args:
        text: Of any length, in any script.
        kinds: Some of `KINDS`.
        regions: ISO 3166 codes of the countries whose phone numbers are known without their country's code, such as
            "US"; those that begin with + are found of every country.
    """
    found = [
        PrivacyFinding(kind, value, at + start)
        for kind in (kind for kind in KINDS if kind in kinds)
        for at, part in text_windows(text)
        for start, value in _finders(regions)[kind](part)
    ]
    return without_overlaps(found)


def check_regions(regions: Sequence[str]) -> None:
    """Refuses what is no country with phone numbers.

    Raises:
        ValueError: One is none.
    """
    supported = require("phonenumbers", "privacy").SUPPORTED_REGIONS
    unknown = [one for one in regions if one not in supported]
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
    pattern: re.Pattern[str], is_one: Callable[[str], bool] = lambda value: True
) -> Callable[[str], Iterator[tuple[int, str]]]:
    return lambda part: ((found.start(), found.group()) for found in pattern.finditer(part) if is_one(found.group()))


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
        for found in pattern.finditer(part):
            try:
                ipaddress.ip_address(found.group())
            except ValueError:
                continue
            yield found.start(), found.group()


def _phones(part: str, regions: Sequence[str]) -> Iterator[tuple[int, str]]:
    phonenumbers = require("phonenumbers", "privacy")
    if not _DIGITS.search(part):
        return
    for region in (None, *regions):
        for found in phonenumbers.PhoneNumberMatcher(part, region):
            yield found.start, found.raw_string
