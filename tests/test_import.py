"""`import assay` and `assay --help` wait for nothing heavy; benchmarks/start_up.py says how long they take."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

HEAVY = {"torch", "numpy", "transformers", "diffusers", "pyarrow", "rich", "yaml", "PIL", "msgspec", "scipy", "kornia"}
HELP = (
    "import sys; sys.argv = ['assay', '--help']\nfrom assay.cli.main import main\ntry: main()\nexcept SystemExit: pass"
)


@pytest.mark.parametrize("code", ["import assay", "import assay; assay.Recipe, assay.Sample, assay.UserError", HELP])
def test_nothing_heavy_is_imported(code: str) -> None:
    report = "\nimport sys, json; print(json.dumps(sorted({name.partition('.')[0] for name in sys.modules})))"
    printed = subprocess.run([sys.executable, "-c", code + report], capture_output=True, text=True, check=True).stdout
    assert HEAVY & set(json.loads(printed.splitlines()[-1])) == set()


def test_every_public_name_is_there() -> None:
    import assay

    for name in assay.__all__:
        assert getattr(assay, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'rnu'"):
        _ = assay.rnu  # type: ignore[attr-defined]
