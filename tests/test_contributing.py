"""The additions that CONTRIBUTING.md describes work when they are followed literally, as a plug-in package."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

GUIDE = Path(__file__).parents[1] / "CONTRIBUTING.md"
BLOCK = re.compile(r"^```\w+\n# ([\w./-]+)\n(.*?)^```", re.S | re.M)


def plug_in(folder: Path) -> Path:
    """Write the package of the guide, with the metadata that an installation would write."""
    files = BLOCK.findall(GUIDE.read_text(encoding="utf-8"))
    assert len({name for name, _ in files}) == len(files)
    for name, content in files:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf-8")
    (folder / "assay_example" / "__init__.py").touch()
    project = tomllib.loads((folder / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    info = folder / "assay_example-0.1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n")
    groups = [
        "\n".join([f"[{group}]", *(f"{name} = {value}" for name, value in points.items())])
        for group, points in project["entry-points"].items()
    ]
    (info / "entry_points.txt").write_text("\n".join(groups) + "\n")
    return folder


def call(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    path = os.pathsep.join([str(folder), *filter(None, [os.environ.get("PYTHONPATH")])])
    variables = {"PYTHONPATH": path, "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
    return subprocess.run(
        [sys.executable, "-m", *words],
        cwd=folder,
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )


@pytest.mark.full
def test_the_additions_of_the_guide_work_as_a_plug_in(tmp_path: Path) -> None:
    folder = plug_in(tmp_path)
    tests = call(folder, "pytest", "-q", "-p", "no:cacheprovider", "tests")
    assert tests.returncode == 0, tests.stdout + tests.stderr
    result = call(folder, "assay.cli.main", "run", "recipe.yaml", "--out", "run")
    assert result.returncode == 0, result.stderr
    results = json.loads((folder / "run" / "results.json").read_text(encoding="utf-8"))
    page = (folder / "run" / "report.html").read_text(encoding="utf-8")
    assert "Brightness by label" in page
    assert set(results["brightness"]["means"]) == {"bag", "coat"}
    assert call(folder, "assay.cli.main", "brightness", "--help").returncode == 0
    assert "brightness" in call(folder, "assay.cli.main", "--help").stdout


@pytest.mark.parametrize("addition", ["scorers", "models", "sections", "commands"])
def test_the_guide_declares_every_addition(addition: str, tmp_path: Path) -> None:
    project = tomllib.loads((plug_in(tmp_path) / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    for value in project["entry-points"][f"assay.{addition}"].values():
        module, _, name = value.partition(":")
        source = (tmp_path / f"{module.replace('.', '/')}.py").read_text(encoding="utf-8")
        assert re.search(rf"^(class |def )?{name}\b", source, re.M)
