"""Encoding of prompts."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

import checkpoints
from assay.core.completions import Message
from assay.models.text.requests import encode_prompt


def test_no_library_warns_of_a_long_conversation(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(checkpoints.chat(tmp_path / "chat"))
    logger = logging.getLogger("transformers")
    logger.addHandler(caplog.handler)
    try:
        ids = encode_prompt(tokenizer, (Message("user", "word " * 200),), "tiny")
    finally:
        logger.removeHandler(caplog.handler)
    assert len(ids) > tokenizer.model_max_length
    assert caplog.messages == []
