"""How near to the ideal time a server of one second's latency is asked: the whole of `RemoteModel` against arithmetic.

    python benchmarks/remote_concurrency.py [--service server] [--requests 1000] [--concurrency 64] [--latency 1]

The server runs in a process of its own. Ideal is the rounds that so many at once need, each as long as the latency. One
request before the clock starts opens the libraries, which takes a second or two; it is told beside.
"""

from __future__ import annotations

import argparse
import math
import os
import subprocess
import sys
import time
from pathlib import Path

from assay.core.completions import Completion, TextRequest
from assay.models.remote.model import RemoteModel
from assay.models.remote.transport import RemoteSettings

SERVER = Path(__file__).resolve().parents[1] / "tests" / "fault_server.py"
TARGET = 1.15


def opened(service: str, base: str, concurrency: int) -> RemoteModel:
    """A model of the service, asked of the server at `base`."""
    if service == "server":
        return RemoteModel(f"{base}/v1#model", RemoteSettings(concurrency=concurrency))
    for name in ("OPENAI_API_KEY", "ANTHROPIC_API_KEY", "GEMINI_API_KEY"):
        os.environ[name] = "none-is-needed-here"
    address = f"{base}/v1" if service == "openai" else base
    return RemoteModel(f"{service}:model", RemoteSettings(concurrency=concurrency, address=address))


def measure(model: RemoteModel, requests: int) -> tuple[float, float]:
    """Seconds to open, and seconds for all requests."""
    with model:
        started = time.perf_counter()
        model.complete([TextRequest("the first")])
        opened = time.perf_counter()
        done = model.complete([TextRequest(f"question {nth}") for nth in range(requests)])
        finished = time.perf_counter()
    assert all(isinstance(one, Completion) for one in done)
    return opened - started, finished - opened


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--service", default="server", choices=("server", "openai", "anthropic", "gemini"))
    parser.add_argument("--requests", type=int, default=1000)
    parser.add_argument("--concurrency", type=int, default=64)
    parser.add_argument("--latency", type=float, default=1.0)
    options = parser.parse_args()
    command = [sys.executable, str(SERVER), "--latency", str(options.latency)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        try:
            model = opened(options.service, server.stdout.readline().strip(), options.concurrency)
            opening, seconds = measure(model, options.requests)
        finally:
            server.terminate()
    ideal = math.ceil(options.requests / options.concurrency) * options.latency
    print(
        f"{options.service}: {options.requests} requests, {options.concurrency} at once, {options.latency:g} s latency"
    )
    print(f"opening {opening:8.2f} s  (with one request)")
    print(f"ideal   {ideal:8.2f} s")
    print(f"assay   {seconds:8.2f} s")
    print(f"ratio   {seconds / ideal:8.3f}  (target <= {TARGET})")


if __name__ == "__main__":
    main()
