"""Log of answers: appended parts, the last row of an id, and damaged parts."""

from __future__ import annotations

from pathlib import Path

import pytest

from assay.core.errors import StoreError
from assay.store.answers import AnswerLog, StoredAnswer


def test_log_returns_the_last_row_of_an_id_and_ignores_other_files(tmp_path: Path) -> None:
    log = AnswerLog(tmp_path)
    assert log.read() == {}
    log.add([StoredAnswer("a", "p", lack="gone", reason="down"), StoredAnswer("b", "p", texts=("x",), ends=("stop",))])
    (tmp_path / "notes.txt").write_text("mine", encoding="utf-8")
    log.add([StoredAnswer("a", "p", texts=("y",), ends=("stop",))])
    assert [(row.id, row.texts) for row in log.read().values()] == [("a", ("y",)), ("b", ("x",))]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["notes.txt", "part-00000.jsonl", "part-00001.jsonl"]


def test_parts_are_read_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    log = AnswerLog(tmp_path)
    log.add([StoredAnswer("a", "p", texts=("old",))])
    (tmp_path / "part-00000.jsonl").rename(tmp_path / "part-99999.jsonl")
    log.add([StoredAnswer("a", "p", texts=("new",))])
    assert (tmp_path / "part-100000.jsonl").is_file()
    assert log.read()["a"].texts == ("new",)


def test_damaged_part_is_named(tmp_path: Path) -> None:
    (tmp_path / "part-00000.jsonl").write_text('{"id": "a"', encoding="utf-8")
    with pytest.raises(StoreError, match=r"part-00000\.jsonl"):
        AnswerLog(tmp_path).read()
