"""A real HTTP server on loopback that speaks as OpenAI, Anthropic and Gemini do, and fails on demand.

    python tests/fault_server.py --latency 1

Answers depend on the request's text alone. Which request fails how is a function of its text and of how often it came.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import json
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any

from fault_answers import FORMATS, Received, api_of, text_of

Script = Callable[[str, int], str | None]
"""Text of the request and how often it came before, to the name of a fault, "say: ANSWER", or None for any answer."""
HTML = b"<!DOCTYPE html><html><body><h1>Bad gateway</h1></body></html>"
MESSAGES = {
    "400": "Unknown parameter: 'nonsense'.",
    "401": "Incorrect API key provided: {key}.",
    "403": "Your region may not use this.",
    "404": "The model `absent` does not exist or you do not have access to it.",
    "408": "Request timeout.",
    "429": "Rate limit reached.",
    "500": "The server had an error.",
    "503": "Overloaded, try later.",
    "529": "Overloaded.",
    "context": "This model's maximum context length is 8192 tokens, however you requested 9000 tokens.",
    "funds": "You exceeded your current quota, please check your plan and billing details.",
    "withheld": "The response was filtered due to the prompt triggering content management policy.",
}
STATUS = {"context": 400, "funds": 429, "withheld": 400}
CODES = {"404": "model_not_found", "context": "context_length_exceeded", "funds": "insufficient_quota"} | {
    "withheld": "content_filter",
    "401": "invalid_api_key",
}


def seeded(share: float, seed: int = 0, kinds: Sequence[str] = ("429", "500", "529", "drop", "half", "html")) -> Script:
    """That share of all tries fails, each by its own draw."""

    def script(text: str, nth: int) -> str | None:
        draw = hashlib.sha256(f"{seed} {nth} {text}".encode()).digest()
        return kinds[draw[4] % len(kinds)] if int.from_bytes(draw[:4], "big") < share * 2**32 else None

    return script


@dataclass
class FaultServer:
    """Serves on its own thread between `with` and its end."""

    script: Script = field(default=lambda _text, _nth: None)
    latency: float = 0.0
    retry_after: str | None = "0.05"
    room: int | None = None
    """More than so many at once are answered 429; None for no such limit."""
    say: Callable[[str], str] | None = None
    """Text of the request to the answer."""
    known: frozenset[str] | None = None
    """Fields of a request that it takes: any other is refused, as FastAPI does it; None for all."""
    received: list[Received] = field(default_factory=list)
    answered: Counter[str] = field(default_factory=Counter)
    tries: Counter[str] = field(default_factory=Counter)
    running: int = 0
    peak: int = 0
    connections: int = 0
    port: int = 0

    def __enter__(self) -> FaultServer:
        self._loop = asyncio.new_event_loop()
        self._tasks: set[asyncio.Task[Any]] = set()
        ready = threading.Event()
        self._thread = threading.Thread(target=self._serve, args=(ready,), daemon=True)
        self._thread.start()
        assert ready.wait(10)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)

    @property
    def base(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def _serve(self, ready: threading.Event) -> None:
        async def start() -> asyncio.Server:
            server = await asyncio.start_server(self._connected, "127.0.0.1", self.port, limit=2**24, backlog=1024)
            self.port = server.sockets[0].getsockname()[1]
            return server

        server = self._loop.run_until_complete(start())
        ready.set()
        self._loop.run_forever()
        self._loop.run_until_complete(self._shut(server))
        self._loop.close()

    async def _shut(self, server: asyncio.Server) -> None:
        server.close()
        for task in (tasks := list(self._tasks)):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        # The transports close themselves in the loop's next turn.
        await asyncio.sleep(0)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        self.connections += 1
        try:
            while await self._exchange(reader, writer):
                pass
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass
        finally:
            self.connections -= 1
            writer.close()

    async def _exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:] if line)}
        body = json.loads(await reader.readexactly(int(headers.get("content-length", "0"))) or b"{}")
        path = head[0].split(" ")[1]
        request = Received(path, headers, body, text_of(body), time.monotonic())
        request.said = self.say(request.text) if self.say else ""
        self.received.append(request)
        self.running += 1
        self.peak = max(self.peak, self.running)
        try:
            fault = self._fault(request)
            await asyncio.sleep(self.latency)
            keep_open = await self._reply(request, fault, writer)
        finally:
            self.running -= 1
        return keep_open

    def _fault(self, request: Received) -> str | None:
        if self.room is not None and self.running > self.room:
            return "429"
        nth = self.tries[request.text]
        self.tries[request.text] += 1
        return self.script(request.text, nth)

    async def _reply(self, request: Received, fault: str | None, writer: asyncio.StreamWriter) -> bool:
        if self.known is not None and (strange := set(request.body) - self.known):
            detail = {"detail": f"Unexpected fields in the request: {strange}"}
            return await self._send(writer, 422, json.dumps(detail).encode())
        if fault in ("hang", "drop", "drip"):
            return await self._vanish(fault, writer)
        if fault in MESSAGES:
            return await self._send(writer, *self._refusal(request, fault))
        if fault in ("html", "html502"):
            return await self._send(writer, 502 if fault == "html502" else 200, HTML, kind="text/html")
        body = json.dumps(FORMATS[api_of(request.path)](request, fault)).encode()
        if fault == "half":
            writer.write(_head(200, len(body), "application/json", None) + body[: len(body) // 2])
            await writer.drain()
            return False
        if fault == "cut":
            return await self._send(writer, 200, body[: len(body) // 2])
        if fault is None:
            self.answered[request.text] += 1
        return await self._send(writer, 200, body)

    async def _vanish(self, fault: str, writer: asyncio.StreamWriter) -> bool:
        if fault == "hang":
            await asyncio.sleep(3600)
        if fault == "drip":
            writer.write(_head(200, 10**9, "application/json", None))
            while True:
                writer.write(b" ")
                await writer.drain()
                await asyncio.sleep(0.05)
        writer.transport.abort()
        return False

    def _refusal(self, request: Received, fault: str) -> tuple[int, bytes]:
        status = STATUS.get(fault) or int(fault)
        key = request.headers.get("authorization", "") + request.headers.get("x-api-key", "")
        key = key.removeprefix("Bearer ") or request.headers.get("x-goog-api-key", "")
        message = MESSAGES[fault].format(key=key)
        error = {"message": message, "type": CODES.get(fault, "error"), "code": CODES.get(fault), "param": None}
        whole: dict[str, Any] = {"error": error}
        if api_of(request.path) == "anthropic":
            whole["type"] = "error"
        if api_of(request.path) == "gemini":
            whole = {"error": {"code": status, "message": message, "status": "FAILED"}}
        return status, json.dumps(whole).encode()

    async def _send(
        self, writer: asyncio.StreamWriter, status: int, body: bytes, kind: str = "application/json"
    ) -> bool:
        wait = self.retry_after if status in (429, 503, 529) else None
        writer.write(_head(status, len(body), kind, wait) + body)
        await writer.drain()
        return True


def _head(status: int, length: int, kind: str, wait: str | None) -> bytes:
    lines = [f"HTTP/1.1 {status} Status", f"Content-Type: {kind}", f"Content-Length: {length}"]
    return "\r\n".join([*lines, *([f"Retry-After: {wait}"] if wait is not None else []), "", ""]).encode()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--latency", type=float, default=0.0)
    parser.add_argument("--share", type=float, default=0.0, help="of tries that fail")
    options = parser.parse_args()
    with FaultServer(seeded(options.share), options.latency) as server:
        print(server.base, flush=True)
        with suppress(KeyboardInterrupt):
            threading.Event().wait()


if __name__ == "__main__":
    main()
