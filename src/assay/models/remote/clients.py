"""Opens a service's own library through any-llm, with nothing retried behind our back."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

from assay.core.errors import ModelError
from assay.models.remote.errors import short
from assay.models.remote.services import Place

NO_KEY = "none"
"""What a server without keys is sent: OpenAI's library would send OPENAI_API_KEY to it otherwise."""


def open_client(place: Place, key: str | None) -> tuple[Any, Callable[[], Awaitable[None]]]:
    """An `AnyLLM` and what closes it; to be called on the loop that will use it.

    Raises:
        ModelError: The libraries are not installed, or the address is none.
    """
    try:
        from any_llm import AnyLLM

        if place.service.name == "server":
            client: Any = AnyLLM.create_openai_compatible(
                "server", place.address or "", key or NO_KEY, unified_exceptions=True, max_retries=0
            )
        elif place.service.name == "gemini":
            return _open_gemini(place, key)
        else:
            client = AnyLLM.create(place.service.name, key, place.address, unified_exceptions=True, max_retries=0)
    except ImportError as error:
        raise ModelError(
            f"Model {place.reference!r} needs a library that is not installed: {error}.",
            hint="pip install 'assay[remote]'",
        ) from error
    # Not chained: the libraries' errors may hold the key. They raise what they like for an address that is none.
    except Exception as error:
        raise ModelError(f"Model {place.reference!r} cannot be asked: {short(str(error), key)}") from None
    return client, client.client.close


def _open_gemini(place: Place, key: str | None) -> tuple[Any, Callable[[], Awaitable[None]]]:
    import httpx2
    from any_llm import AnyLLM
    from google.genai import types

    # Its library would take aiohttp where that happens to be installed, and would hold 100 connections at most.
    http = httpx2.AsyncClient(timeout=None, limits=httpx2.Limits(max_connections=None, max_keepalive_connections=100))
    options = types.HttpOptions(httpx_async_client=http, base_url=place.address)
    client: Any = AnyLLM.create("gemini", key, None, unified_exceptions=True, max_retries=0, http_options=options)

    async def close() -> None:
        with suppress(Exception):
            client.client.close()
        await http.aclose()

    return client, close
