"""Classification of failed attempts: the reason, and whether to retry."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import quote

from assay.core.completions import FailureKind

MAX_REASON = 300
"""Characters."""
REDACTED = "[key]"
_CONTEXT = re.compile(
    r"context.?(length|window|size)|(prompt|input).{0,40}(too long|too large)|exceed.{0,60}(tokens|context)|"
    r"token count.{0,40}exceed|max_model_len|maximum.{0,20}tokens.{0,20}allowed"
)
_KEY = re.compile(r"api.?key.{0,20}(not valid|invalid|expired|incorrect)|(invalid|incorrect).{0,12}api.?key")
_MODEL = re.compile(
    r"model_not_found|model.{0,80}(does not exist|not found|not exist)|unknown model|server is pinned to"
)
_UNKNOWN_FIELD = re.compile(
    r"unexpected|unknown|unrecogni[sz]ed|unsupported|not supported|not permitted|not allowed|extra_forbidden"
)
EXTRA = ("top_k", "min_p", "repetition_penalty", "repeat_penalty", "generation_config")
"""Fields of a request beyond those of OpenAI, which some servers reject."""
_FILTER = re.compile(r"content_filter|content_policy|responsibleaipolicy|output blocked by content filter")
_FUNDS = re.compile(r"insufficient_quota|credit balance is too low|billing_hard_limit")
_DELAY = re.compile(r"retrydelay['\"]?\s*:\s*['\"]?(\d+(?:\.\d+)?)s")
_TRUNCATED = ("complete message body", "incomplete read", "contentlength", "transferencoding", "payload")


@dataclass(frozen=True)
class AttemptFailure:
    """Why one attempt gave no answer."""

    lack: FailureKind
    reason: str
    retry: bool = False
    """Whether another attempt may succeed."""
    wait: float | None = None
    """Seconds that the service asks to wait."""
    overload: bool = False
    """Whether the service reports too many requests at once."""
    lost: bool = False
    """Whether the request may have been answered, and charged, nevertheless."""
    filtered: bool = False
    """Whether the service withheld an answer by its content filter, which counts as an answer."""
    unknown_field: bool = False
    """Whether the server rejects one of the fields in `EXTRA`."""


def classify_error(error: BaseException) -> AttemptFailure:
    """Classify an exception of any-llm, of a library below it or of asyncio."""
    status = getattr(error, "status_code", None)
    reason = _sentence(error)
    if not isinstance(status, int) or status < 300:
        return _classify_without_status(error, reason)
    reason = f"{status}: {reason}" if str(status) not in reason else reason
    text = _searchable_text(error)
    if status == 429 and _FUNDS.search(text):
        return AttemptFailure("refused", reason)
    wait = _wait(error, text)
    if status in (429, 529):
        return AttemptFailure("rate", reason, retry=True, wait=wait, overload=True)
    if status == 408:
        return AttemptFailure("timeout", reason, retry=True, wait=wait)
    if status >= 500:
        return AttemptFailure("gone", reason, retry=True, wait=wait)
    return _classify_refusal(status, text, reason)


def redact_key(text: str, key: str | None) -> str:
    """`text` without the API key, also where it is URL-quoted."""
    for form in {key, quote(key, safe="")} if key else ():
        text = text.replace(form, REDACTED)
    return text


def one_line(text: str, key: str | None) -> str:
    """One line of at most MAX_REASON characters, without the API key."""
    # Redacted first: cutting might leave half of the key.
    line = " ".join(redact_key(text, key).split())
    return line if len(line) <= MAX_REASON else line[: MAX_REASON - 3] + "..."


def _classify_refusal(status: int, text: str, reason: str) -> AttemptFailure:
    if _FILTER.search(text):
        return AttemptFailure("refused", reason, filtered=True)
    if status in (401, 403) or _KEY.search(text):
        return AttemptFailure("key", reason)
    if _CONTEXT.search(text):
        return AttemptFailure("context", reason)
    if _MODEL.search(text):
        return AttemptFailure("model", reason)
    if status == 404:
        return AttemptFailure("model", f"{reason} (no such model, or no such service at this address)")
    unknown_field = (
        status in (400, 422) and _UNKNOWN_FIELD.search(text) is not None and any(name in text for name in EXTRA)
    )
    return AttemptFailure("refused", reason, unknown_field=unknown_field)


def _classify_without_status(error: BaseException, reason: str) -> AttemptFailure:
    names = " ".join(f"{type(cause).__name__} {cause}" for cause in _chain(error)).casefold()
    # Nothing was sent: the library below cannot serialize the request.
    if any(word in names for word in ("unsupportedparameter", "keyword argument", "unicodeencodeerror")):
        return AttemptFailure("refused", reason)
    if "timeout" in names or "timed out" in names:
        return AttemptFailure("timeout", reason, retry=True, lost=True)
    if any(word in names for word in _TRUNCATED):
        return AttemptFailure("broken", f"The response was truncated: {reason}", retry=True, lost=True)
    # The server was not reached, so it charges nothing.
    if "connecterror" in names or "connectorerror" in names:
        return AttemptFailure("gone", f"No server answers at this address: {reason}", retry=True)
    if "connection" in names or "disconnect" in names or "protocolerror" in names or "readerror" in names:
        return AttemptFailure("gone", f"The connection was lost: {reason}", retry=True, lost=True)
    return AttemptFailure("broken", f"The response is malformed: {reason}", retry=True, lost=True)


def _sentence(error: BaseException) -> str:
    """The service's message, else that of the innermost cause: the outer one is often only "Connection error."."""
    if (message := _service_message(error)) is not None:
        return message
    deepest = list(_chain(error))[-1] if getattr(error, "status_code", None) is None else error
    return f"{type(deepest).__name__}: {deepest}".rstrip(": ")


def _service_message(error: BaseException) -> str | None:
    """The body's message: {"error": {"message": ...}}, {"error": ...}, FastAPI's {"detail": ...}, or plain text."""
    origin = getattr(error, "original_exception", None)
    body = getattr(origin, "body", None) or getattr(origin, "details", None)
    inner = body.get("error", body) if isinstance(body, dict) else body
    text = (inner.get("message") or inner.get("detail")) if isinstance(inner, dict) else inner
    if isinstance(text, list):
        text = "; ".join(f"{part.get('msg')} {part.get('loc')}" for part in text if isinstance(part, dict))
    return text if isinstance(text, str) and text and not text.lstrip().startswith("<") else None


def _searchable_text(error: BaseException) -> str:
    fields = (str(getattr(error, name, "") or "") for name in ("code", "error_type"))
    return " ".join([str(error), *fields, _service_message(error) or ""]).casefold()


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = getattr(error, "original_exception", None) or error.__cause__ or error.__context__


def _wait(error: BaseException, text: str) -> float | None:
    """Seconds by the header, or by Gemini's RetryInfo; any-llm passes on the header of 429 only."""
    response: Any = getattr(getattr(error, "original_exception", None), "response", None)
    headers = getattr(response, "headers", None) or {}
    if (milliseconds := _number(headers.get("retry-after-ms"))) is not None:
        return milliseconds / 1000
    retry_after = headers.get("retry-after")
    if (seconds := _number(retry_after)) is not None:
        return seconds
    if retry_after and (seconds := _until(retry_after)) is not None:
        return seconds
    delay = _DELAY.search(text)
    return float(delay.group(1)) if delay else None


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
