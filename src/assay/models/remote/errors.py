"""What went wrong with one try, and whether to try again."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import quote

from assay.core.completions import Lack

LONGEST = 300
"""Characters of a reason."""
HIDDEN = "[key]"
_CONTEXT = re.compile(
    r"context.?(length|window|size)|(prompt|input).{0,40}(too long|too large)|exceed.{0,60}(tokens|context)|"
    r"token count.{0,40}exceed|max_model_len|maximum.{0,20}tokens.{0,20}allowed"
)
_KEY = re.compile(r"api.?key.{0,20}(not valid|invalid|expired|incorrect)|(invalid|incorrect).{0,12}api.?key")
_MODEL = re.compile(
    r"model_not_found|model.{0,80}(does not exist|not found|not exist)|unknown model|server is pinned to"
)
_FIELD = re.compile(
    r"unexpected|unknown|unrecogni[sz]ed|unsupported|not supported|not permitted|not allowed|extra_forbidden"
)
EXTRA = ("top_k", "min_p", "repetition_penalty", "repeat_penalty", "generation_config")
"""Fields that servers are sent beyond OpenAI's, which some refuse."""
_FILTER = re.compile(r"content_filter|content_policy|responsibleaipolicy|output blocked by content filter")
_FUNDS = re.compile(r"insufficient_quota|credit balance is too low|billing_hard_limit")
_DELAY = re.compile(r"retrydelay['\"]?\s*:\s*['\"]?(\d+(?:\.\d+)?)s")
_HALF = ("complete message body", "incomplete read", "contentlength", "transferencoding", "payload")


@dataclass(frozen=True)
class Trouble:
    """Why one try gave no answer."""

    lack: Lack
    reason: str
    again: bool = False
    """Whether another try may help."""
    wait: float | None = None
    """Seconds that the service asks to wait."""
    slow: bool = False
    """Whether it says that too much is asked at once."""
    lost: bool = False
    """Whether it may have been answered, and charged, all the same."""
    filtered: bool = False
    """Whether it is an answer after all: the service withholds one."""
    strange: bool = False
    """Whether it does not know a field that it was sent, one of `EXTRA`."""


def trouble(error: BaseException) -> Trouble:
    """What an exception of any-llm, of a library below it or of asyncio means."""
    status = getattr(error, "status_code", None)
    reason = _sentence(error)
    if not isinstance(status, int) or status < 300:
        return _without_status(error, reason)
    reason = f"{status}: {reason}" if str(status) not in reason else reason
    text = _searched(error)
    if status == 429 and _FUNDS.search(text):
        return Trouble("refused", reason)
    wait = _wait(error, text)
    if status in (429, 529):
        return Trouble("rate", reason, again=True, wait=wait, slow=True)
    if status == 408:
        return Trouble("timeout", reason, again=True, wait=wait)
    if status >= 500:
        return Trouble("gone", reason, again=True, wait=wait)
    return _refused(status, text, reason)


def scrub(text: str, key: str | None) -> str:
    """`text` without the key, however it was quoted."""
    for form in {key, quote(key, safe="")} if key else ():
        text = text.replace(form, HIDDEN)
    return text


def short(text: str, key: str | None) -> str:
    """One line, without the key, of a bounded length."""
    # The key first: a cut might leave half of it.
    line = " ".join(scrub(text, key).split())
    return line if len(line) <= LONGEST else line[: LONGEST - 3] + "..."


def _refused(status: int, text: str, reason: str) -> Trouble:
    if _FILTER.search(text):
        return Trouble("refused", reason, filtered=True)
    if status in (401, 403) or _KEY.search(text):
        return Trouble("key", reason)
    if _CONTEXT.search(text):
        return Trouble("context", reason)
    if _MODEL.search(text):
        return Trouble("model", reason)
    if status == 404:
        return Trouble("model", f"{reason} (no such model, or no such service at this address)")
    strange = status in (400, 422) and _FIELD.search(text) is not None and any(name in text for name in EXTRA)
    return Trouble("refused", reason, strange=strange)


def _without_status(error: BaseException, reason: str) -> Trouble:
    names = " ".join(f"{type(one).__name__} {one}" for one in _chain(error)).casefold()
    # Nothing was sent: the library below cannot put the request into words.
    if any(word in names for word in ("unsupportedparameter", "keyword argument", "unicodeencodeerror")):
        return Trouble("refused", reason)
    if "timeout" in names or "timed out" in names:
        return Trouble("timeout", reason, again=True, lost=True)
    if any(word in names for word in _HALF):
        return Trouble("broken", f"The answer ended before its end: {reason}", again=True, lost=True)
    # Nobody was reached, so nobody charges.
    if "connecterror" in names or "connectorerror" in names:
        return Trouble("gone", f"Nothing answers there: {reason}", again=True)
    if "connection" in names or "disconnect" in names or "protocolerror" in names or "readerror" in names:
        return Trouble("gone", f"The connection was lost: {reason}", again=True, lost=True)
    return Trouble("broken", f"What came is no answer in the service's form: {reason}", again=True, lost=True)


def _sentence(error: BaseException) -> str:
    """The service's own words, or the deepest cause's: libraries above it say "Connection error." and no more."""
    if (own := _told(error)) is not None:
        return own
    deepest = list(_chain(error))[-1] if getattr(error, "status_code", None) is None else error
    return f"{type(deepest).__name__}: {deepest}".rstrip(": ")


def _told(error: BaseException) -> str | None:
    """What the service wrote: {"error": {"message": ...}}, {"error": ...}, FastAPI's {"detail": ...}, or bare words."""
    origin = getattr(error, "original_exception", None)
    body = getattr(origin, "body", None) or getattr(origin, "details", None)
    inner = body.get("error", body) if isinstance(body, dict) else body
    words = (inner.get("message") or inner.get("detail")) if isinstance(inner, dict) else inner
    if isinstance(words, list):
        words = "; ".join(f"{one.get('msg')} {one.get('loc')}" for one in words if isinstance(one, dict))
    return words if isinstance(words, str) and words and not words.lstrip().startswith("<") else None


def _searched(error: BaseException) -> str:
    fields = (str(getattr(error, name, "") or "") for name in ("code", "error_type"))
    return " ".join([str(error), *fields, _told(error) or ""]).casefold()


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = getattr(error, "original_exception", None) or error.__cause__ or error.__context__


def _wait(error: BaseException, text: str) -> float | None:
    """Seconds by the header, or by Gemini's RetryInfo; any-llm hands on the header of 429 only."""
    response: Any = getattr(getattr(error, "original_exception", None), "response", None)
    headers = getattr(response, "headers", None) or {}
    if (thousandths := _number(headers.get("retry-after-ms"))) is not None:
        return thousandths / 1000
    stated = headers.get("retry-after")
    if (seconds := _number(stated)) is not None:
        return seconds
    if stated and (seconds := _until(stated)) is not None:
        return seconds
    found = _DELAY.search(text)
    return float(found.group(1)) if found else None


def _number(text: str | None) -> float | None:
    try:
        return max(0.0, float(text)) if text and text.strip().casefold() != "nan" else None
    except ValueError:
        return None


def _until(date: str) -> float | None:
    try:
        moment = parsedate_to_datetime(date)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return max(0.0, (moment - datetime.now(UTC)).total_seconds())
