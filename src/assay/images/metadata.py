"""Provenance within a PNG file: put in, read back and taken out again, without a pixel being touched."""

from __future__ import annotations

import hashlib
import io
import json
from dataclasses import replace

import msgspec
from PIL import Image as Pillow
from PIL.PngImagePlugin import PngInfo, putchunk

from assay.core.provenance import Provenance
from assay.images.xmp import LOST, packet, source_type

PNG = b"\x89PNG\r\n\x1a\n"
XMP = "XML:com.adobe.xmp"
"""The keyword under which a PNG file holds an XMP packet."""
WHOLE = "assay"
"""The keyword of everything that is known, as JSON."""
KEYWORDS = (XMP, "Software", "Creation Time", "Source Type", "Made by", "Model", "Prompt", "Seed", "Sample", WHOLE)
LONGEST = 32_000
"""Characters of a prompt or of a setting that an image carries; rows and `assay why RUN SAMPLE` have the whole."""
_HEAD = len(PNG) + 25
"""The signature and the header chunk, which comes first."""


def embed_provenance(png: bytes, said: Provenance) -> bytes:
    """The file with its provenance: an XMP packet, and plain text that Pillow gives in `image.text`.

    The compressed pixels stay byte for byte what they were, and `strip_provenance` gives the whole file back.

    Source: PNG specification, third edition, 11.3.3 (tEXt and iTXt, and their keywords); XMP specification part 3,
    "PNG", for the keyword of the packet.
    """
    assert png.startswith(PNG), "the caller looks whether it is a PNG file"
    said = replace(
        said, prompt=_cut(said.prompt), settings={name: _shorter(one) for name, one in said.settings.items()}
    )
    told = json.dumps(json.loads(said.json()) | {"image": hashlib.sha256(png).hexdigest()}, ensure_ascii=False)
    values = {
        "Software": f"assay {said.assay}".strip(),
        "Creation Time": said.date,
        "Source Type": source_type(said),
        "Made by": said.made_by,
        "Model": ", ".join(one.model for one in said.models),
        "Prompt": said.prompt,
        "Seed": "" if said.seed is None else str(said.seed),
        "Sample": said.id,
        WHOLE: told,
    }
    chunks = PngInfo()
    chunks.add_itxt(XMP, packet(said))
    for keyword, value in values.items():
        if value:
            # A zero byte ends a text in PNG.
            chunks.add_text(keyword, value.replace("\0", LOST))
    written = io.BytesIO()
    for kind, data, *_ in chunks.chunks:
        putchunk(written, kind, data)
    return png[:_HEAD] + written.getvalue() + png[_HEAD:]


def strip_provenance(png: bytes) -> bytes:
    """The file without what `embed_provenance` put in; any other file as it is."""
    at = _HEAD
    while png.startswith(PNG) and png[at + 4 : at + 8] in (b"tEXt", b"iTXt"):
        end = at + 12 + int.from_bytes(png[at : at + 4], "big")
        if png[at + 8 : end].partition(b"\0")[0].decode("latin-1") not in KEYWORDS:
            break
        at = end
    return png[:_HEAD] + png[at:]


def read_provenance(png: bytes) -> tuple[Provenance, bool]:
    """What a file says of itself, and whether it is the file that this was said of.

    Raises:
        ValueError: It is no PNG file, or one that carries no provenance of assay's.
    """
    try:
        with Pillow.open(io.BytesIO(png), formats=("PNG",)) as image:
            image.load()
            text = getattr(image, "text", {}).get(WHOLE)
    except MemoryError:
        raise
    except Exception as error:  # as in `codec.decode`, readers raise whatever they trip over
        raise ValueError(f"it does not decode as PNG: {error}") from error
    if text is None:
        raise ValueError("it carries no provenance of assay's")
    try:
        value = json.loads(text)
        said = msgspec.convert(value, Provenance)
    except (ValueError, RecursionError, msgspec.ValidationError) as error:
        raise ValueError(f"its provenance cannot be read: {error}") from error
    return said, value.get("image") == hashlib.sha256(strip_provenance(png)).hexdigest()


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[:LONGEST]} [cut here, of {len(text):,} characters]"


def _shorter(value: object) -> object:
    return _cut(value) if isinstance(value, str) else value
