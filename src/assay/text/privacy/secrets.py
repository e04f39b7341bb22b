"""Keys and passwords in a text, by the form that their makers gave them.

Forms of keys are detect-secrets' (Yelp, Apache-2.0), those of a few newer services are ours; and what is assigned to a
name such as `api_key`, if it looks drawn by lot. Nothing is sent anywhere to see whether a key works. A secret without
a form, such as a password in a sentence, is not found.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Iterator
from functools import lru_cache

from assay.core.extras import require
from assay.text.privacy.findings import PrivacyFinding, text_windows, without_overlaps

ASSIGNED = "assigned secret"
NEWER = {
    "Anthropic key": re.compile(r"\bsk-ant-[a-z0-9]{2,12}-[\w-]{40,200}"),
    "Google API key": re.compile(r"\bAIza[\w-]{35}(?![\w-])"),
    "Hugging Face token": re.compile(r"\bhf_[A-Za-z0-9]{34,40}\b"),
    "GitHub token": re.compile(r"\bgithub_pat_\w{60,90}\b"),
    "OpenAI key": re.compile(r"\bsk-(?:proj-|svcacct-)?[A-Za-z0-9_-]{40,200}(?![\w-])"),
}
_PLUGINS = (
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
"""Module and class of those that know a form; its others go by a name beside a value, or by entropy alone."""
_ASSIGNED = re.compile(
    r"(?i)\b[\w-]{0,20}(?:api[_-]?key|secret|token|passw(?:or)?d|access[_-]?key)[\w-]{0,12}[\"']?\s{0,3}(?:[:=]|\bis\b)"
    r"\s{0,3}[\"'`]?([A-Za-z0-9_\-/+=.]{12,200})"
)
_DRAWN = 3.0
"""Bits a character from which up a value looks drawn by lot; English words have fewer in so few letters."""


def secrets_in(text: str) -> list[PrivacyFinding]:
    """What is found, in order of place, each place once."""
    found = [
        PrivacyFinding(kind, value, at + start)
        for at, part in text_windows(text)
        for kind, value, start in _looked(part)
    ]
    return without_overlaps(found)


def _looked(part: str) -> Iterator[tuple[str, str, int]]:
    for kind, pattern, is_one in _forms():
        for match in pattern.finditer(part):
            if is_one(match.group()):
                yield kind, match.group(), match.start()
    for match in _ASSIGNED.finditer(part):
        if looks_drawn(match.group(1)):
            yield ASSIGNED, match.group(1), match.start(1)


def _has_digit(value: str) -> bool:
    return any(map(str.isdigit, value))


def _yes(value: str) -> bool:
    return True


def looks_drawn(value: str) -> bool:
    """Whether a value has letters and digits and `_DRAWN` bits of entropy a character or more."""
    n = len(value)
    bits = -sum(count / n * math.log2(count / n) for count in Counter(value).values()) if n else 0.0
    return _has_digit(value) and any(map(str.isalpha, value)) and bits >= _DRAWN


@lru_cache(maxsize=1)
def _forms() -> tuple[tuple[str, re.Pattern[str], Callable[[str], bool]], ...]:
    """(kind, form, whether what has it is one); the library itself gives what stands in a form's brackets alone."""
    plugins = [getattr(require(f"detect_secrets.plugins.{module}", "privacy"), name)() for module, name in _PLUGINS]
    return (
        *((kind, pattern, _has_digit) for kind, pattern in NEWER.items()),
        *(
            (plugin.secret_type, pattern, getattr(plugin, "is_formally_valid", _yes))
            for plugin in plugins
            for pattern in plugin.denylist
        ),
    )
