"""assay probe privacy: planted findings are listed and masked."""

from __future__ import annotations

import json
from pathlib import Path

from command_line import called, user_error

KEY = "AKIA" + "IOSFODNN7EXAMPLE"
PLANTED = f"A plain line.\nWrite to jane.doe@example.org\n02-312-3456 또는 +1 650 253 0000\nkey {KEY}\n"


def test_an_address_a_number_and_a_key_are_reported(tmp_path: Path) -> None:
    file = tmp_path / "texts.txt"
    file.write_text(PLANTED, encoding="utf-8")
    result = called(["probe", "privacy", file, "--region", "KR", "--json"])
    assert result.returncode == 0, result.stderr
    data = json.loads(result.stdout)
    assert (data["texts"], data["with_findings"]) == (4, 3)
    assert data["kinds"] == {"phone number": 2, "e-mail address": 1, "AWS Access Key": 1}
    assert [finding["text"] for finding in data["findings"]] == [2, 3, 3, 4]
    assert "jane.doe" not in result.stdout
    assert KEY not in result.stdout
    printed = called(["probe", "privacy", file, "--limit", "1"]).stdout
    assert "3 of 4, 75.0%" in printed
    assert "and 2 more" in printed


def test_invalid_arguments_are_named(tmp_path: Path) -> None:
    file = tmp_path / "texts.txt"
    file.write_text("\n \n", encoding="utf-8")
    error = user_error(["probe", "privacy", file])
    assert (error.code, "texts.txt" in error.message) == ("user", True)
    file.write_text("x", encoding="utf-8")
    error = user_error(["probe", "privacy", file, "--region", "Mars"])
    assert (error.code, "'Mars'" in error.message) == ("user", True)
