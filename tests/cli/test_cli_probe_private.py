"""assay probe private: what is planted in a file is listed, masked."""

from __future__ import annotations

import json
from pathlib import Path

from command_line import called

KEY = "AKIA" + "IOSFODNN7EXAMPLE"
PLANTED = f"A plain line.\nWrite to jane.doe@example.org\n02-312-3456 또는 +1 650 253 0000\nkey {KEY}\n"


def test_an_address_a_number_and_a_key_are_reported(tmp_path: Path) -> None:
    file = tmp_path / "texts.txt"
    file.write_text(PLANTED, encoding="utf-8")
    done = called(["probe", "private", file, "--region", "KR", "--json"])
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert (found["texts"], found["with_findings"]) == (4, 3)
    assert found["kinds"] == {"phone number": 2, "e-mail address": 1, "AWS Access Key": 1}
    assert [one["text"] for one in found["findings"]] == [2, 3, 3, 4]
    assert "jane.doe" not in done.stdout
    assert KEY not in done.stdout
    printed = called(["probe", "private", file, "--limit", "1"]).stdout
    assert "3 of 4 texts, 75.0%" in printed.replace("\u00a0", " ")
    assert "and 2 more" in printed


def test_mistakes_are_named(tmp_path: Path) -> None:
    file = tmp_path / "texts.txt"
    file.write_text("\n \n", encoding="utf-8")
    assert "no text" in called(["probe", "private", file]).stderr
    file.write_text("x", encoding="utf-8")
    done = called(["probe", "private", file, "--region", "Mars"])
    assert done.returncode == 2
    assert "ISO 3166" in done.stderr
