"""The page in a real browser, opened from the file with the network closed."""

from __future__ import annotations

from pathlib import Path

import pytest

from assay.report import render
from page_parts import CHROMIUM, fits, shot
from report_example import example


@pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed")
@pytest.mark.parametrize("width", [1280, 420])
def test_the_page_opens_from_the_file_and_fits_the_window(tmp_path: Path, width: int) -> None:
    pixels = shot(tmp_path, render(example()), width)
    assert pixels.shape[:2] == (1400, width)
    fits(pixels)
