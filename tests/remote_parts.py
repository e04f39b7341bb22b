"""What tests of served models share: the real libraries, pointed at a server on loopback."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from assay.models.remote.budget import Budget
from assay.models.remote.model import RemoteModel
from assay.models.remote.transport import RemoteSettings
from fault_server import FaultServer

NAMES = ("openai", "anthropic", "gemini", "server")
MODELS = {"openai": "gpt-4o-mini", "anthropic": "claude-haiku-4-5", "gemini": "gemini-2.5-flash"}
KEY = "sk-planted-0815"
USUAL: dict[str, Any] = {"tries": 3, "try_s": 1.0, "deadline_s": 10.0, "first_wait_s": 0.02}


def plant_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPENAI_API_KEY", "ANTHROPIC_API_KEY", "GEMINI_API_KEY"):
        monkeypatch.setenv(name, KEY)
    for name in ("ASSAY_API_KEY", "GOOGLE_API_KEY", "OPENAI_BASE_URL", "ANTHROPIC_BASE_URL", "GOOGLE_GEMINI_BASE_URL"):
        monkeypatch.delenv(name, raising=False)


def opened(
    name: str, server: FaultServer, answers: Path | None = None, budget: Budget | None = None, **settings: Any
) -> RemoteModel:
    usual = USUAL | settings
    if name == "server":
        return RemoteModel(f"{server.base}/v1#llama", RemoteSettings(**usual), answers=answers, budget=budget)
    address = server.base + ("/v1" if name == "openai" else "")
    reference = f"{name}:{MODELS[name]}"
    return RemoteModel(reference, RemoteSettings(address=address, **usual), answers=answers, budget=budget)
