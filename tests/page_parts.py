"""What every page must keep, whichever command wrote it."""

from __future__ import annotations

import io
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
from PIL import Image

VOID = {"meta", "img", "br", "hr", "input", "link"}
SVG_LEAVES = {"line", "circle", "rect", "polyline"}
HOSTILE = '<script>alert("1")</script>'
KOREAN = "서울은 어느 나라의 수도입니까?"
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


class Page(HTMLParser):
    """Checks that tags are balanced, and gathers attributes and what a reader sees outside of drawings and code."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.attributes: list[tuple[str, str, str]] = []
        self.tags: list[str] = []
        self.text = ""
        self.feed(page)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(tag, name, value or "") for name, value in attrs]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag in SVG_LEAVES
        self.attributes += [(tag, name, value or "") for name, value in attrs]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if not {"svg", "style", "code", "title"} & set(self.open):
            self.text += data + " "


class Drawn(Page):
    """Tags are balanced; `text` is what a reader sees, code too."""

    def handle_data(self, data: str) -> None:
        if not {"svg", "style", "title"} & set(self.open):
            self.text += data + " "


def words(page: str) -> str:
    """What a reader sees, with single spaces."""
    return " ".join(Drawn(page).text.replace("\u00a0", " ").split())


def stands_alone(page: str) -> None:
    parsed = Drawn(page)
    assert not {"script", "link", "img", "iframe", "object", "form"} & set(parsed.tags)
    for _, name, value in parsed.attributes:
        assert name not in ("src", "srcset")
        assert not name.startswith("on")
        assert name != "href" or value.startswith("#")
    assert "default-src 'none'" in page
    assert "url(" not in page
    anchors = [value for tag, name, value in parsed.attributes if (tag, name) == ("section", "id")]
    assert anchors
    assert [value[1:] for tag, name, value in parsed.attributes if (tag, name) == ("a", "href")] == anchors


def shot(folder: Path, page: str, width: int, height: int = 1400) -> np.ndarray:
    """The page's pixels (height, width, 3), opened from its file with the network closed."""
    file, image = folder / "report.html", folder / "shot.png"
    file.write_text(page, encoding="utf-8")
    window = [f"--user-data-dir={folder / 'profile'}", f"--window-size={width},{height}"]
    command = [str(CHROMIUM), *FLAGS, *window, f"--screenshot={image}", file.as_uri()]
    subprocess.run(command, check=True, capture_output=True, timeout=120)
    return np.asarray(Image.open(io.BytesIO(image.read_bytes())).convert("RGB"))


def fits(pixels: np.ndarray) -> None:
    """Nothing runs out of the window at the right, and it is no blank page."""
    assert len(np.unique(pixels[:, -4:].reshape(-1, 3), axis=0)) <= 3
    assert len(np.unique(pixels.reshape(-1, 3), axis=0)) > 50
