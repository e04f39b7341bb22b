from __future__ import annotations

from pathlib import Path

import pytest

import command_line


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return command_line.small_models(tmp_path_factory.mktemp("models"))


@pytest.fixture(scope="session")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return command_line.photographs(tmp_path_factory.mktemp("data") / "photographs")


@pytest.fixture(scope="session")
def small(models: dict[str, Path], photos: Path) -> list[str]:
    """Options that make `fashion` small."""
    return command_line.small(models, photos, per_label=7)


@pytest.fixture(scope="session")
def finished(small: list[str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run; tests must not change it."""
    folder = tmp_path_factory.mktemp("runs") / "fashion"
    result = command_line.called(["run", "fashion", *small, "--out", folder])
    assert result.returncode == 0, result.stderr
    (folder.parent / "stderr").write_text(result.stderr, encoding="utf-8")
    (folder.parent / "stdout").write_text(result.stdout, encoding="utf-8")
    return folder
