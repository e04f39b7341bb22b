"""The page in a real browser, opened from the file with the network closed."""

from __future__ import annotations

import io
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from report_example import example

from assay.report import render

CHROMIUM = shutil.which("chromium")
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
    "--host-resolver-rules=MAP * ~NOTFOUND",
)


@pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed")
@pytest.mark.parametrize("width", [1280, 420])
def test_the_page_opens_from_the_file_and_fits_the_window(tmp_path: Path, width: int) -> None:
    page, shot = tmp_path / "report.html", tmp_path / "shot.png"
    page.write_text(render(example()), encoding="utf-8")
    window = [f"--user-data-dir={tmp_path / 'profile'}", f"--window-size={width},1400"]
    command = [str(CHROMIUM), *FLAGS, *window, f"--screenshot={shot}", page.as_uri()]
    subprocess.run(command, check=True, capture_output=True, timeout=120)
    pixels = np.asarray(Image.open(io.BytesIO(shot.read_bytes())).convert("RGB"))
    assert pixels.shape[:2] == (1400, width)
    edge = pixels[:, -4:].reshape(-1, 3)
    assert len(np.unique(edge, axis=0)) <= 3  # nothing runs out of the window
    assert len(np.unique(pixels.reshape(-1, 3), axis=0)) > 50  # and it is no blank page
