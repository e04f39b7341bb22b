"""Provenance metadata of PNG files: an XMP packet and text chunks, written and removed without changing pixels."""

from __future__ import annotations

import hashlib
import io
import json
import re
from dataclasses import replace
from xml.sax.saxutils import quoteattr

import msgspec
from PIL import Image as Pillow
from PIL.PngImagePlugin import PngInfo, putchunk

from assay.core.provenance import Provenance

PNG = b"\x89PNG\r\n\x1a\n"
XMP = "XML:com.adobe.xmp"
"""Keyword of an XMP packet in PNG."""
PROVENANCE_KEYWORD = "assay"
"""Keyword of the complete provenance as JSON."""
KEYWORDS = (
    XMP,
    "Software",
    "Creation Time",
    "Source Type",
    "Made by",
    "Model",
    "Prompt",
    "Seed",
    "Sample",
    PROVENANCE_KEYWORD,
)
MAX_CHARACTERS = 32_000
"""Maximum characters of a prompt or setting in an image; rows and `assay why RUN SAMPLE` have the whole text."""
_HEAD = len(PNG) + 25
"""Length of the signature and the header chunk."""


def embed_provenance(png: bytes, provenance: Provenance) -> bytes:
    """Add provenance to a PNG file, as an XMP packet and as text (`image.text` in Pillow).

    The compressed pixels are unchanged, and `strip_provenance` restores the original file.

    Source: PNG specification, third edition, 11.3.3 (tEXt and iTXt, and their keywords); XMP specification part 3,
    "PNG", for the keyword of the packet.
    """
    assert png.startswith(PNG), "the caller checks that it is a PNG file"
    provenance = replace(
        provenance,
        prompt=_truncate(provenance.prompt),
        settings={name: _truncate_value(value) for name, value in provenance.settings.items()},
    )
    record = json.dumps(json.loads(provenance.json()) | {"image": hashlib.sha256(png).hexdigest()}, ensure_ascii=False)
    values = {
        "Software": f"assay {provenance.assay}".strip(),
        "Creation Time": provenance.date,
        "Source Type": source_type(provenance),
        "Made by": provenance.made_by,
        "Model": ", ".join(model.model for model in provenance.models),
        "Prompt": provenance.prompt,
        "Seed": "" if provenance.seed is None else str(provenance.seed),
        "Sample": provenance.id,
        PROVENANCE_KEYWORD: record,
    }
    chunks = PngInfo()
    chunks.add_itxt(XMP, xmp_packet(provenance))
    for keyword, value in values.items():
        if value:
            # A zero byte ends a text in PNG.
            chunks.add_text(keyword, value.replace("\0", REPLACEMENT))
    output = io.BytesIO()
    for kind, data, *_ in chunks.chunks:
        putchunk(output, kind, data)
    return png[:_HEAD] + output.getvalue() + png[_HEAD:]


def strip_provenance(png: bytes) -> bytes:
    """Remove the chunks of `embed_provenance`; other files are returned unchanged."""
    offset = _HEAD
    while png.startswith(PNG) and png[offset + 4 : offset + 8] in (b"tEXt", b"iTXt"):
        end = offset + 12 + int.from_bytes(png[offset : offset + 4], "big")
        if png[offset + 8 : end].partition(b"\0")[0].decode("latin-1") not in KEYWORDS:
            break
        offset = end
    return png[:_HEAD] + png[offset:]


def read_provenance(png: bytes) -> tuple[Provenance, bool]:
    """Read the provenance of a file, and whether its digest matches the file without metadata.

    Raises:
        ValueError: It is no PNG file, or one that carries no provenance of assay's.
    """
    try:
        with Pillow.open(io.BytesIO(png), formats=("PNG",)) as image:
            image.load()
            text = getattr(image, "text", {}).get(PROVENANCE_KEYWORD)
    except MemoryError:
        raise
    except Exception as error:  # as in `codec.decode`, readers raise whatever they trip over
        raise ValueError(f"it does not decode as PNG: {error}") from error
    if text is None:
        raise ValueError("it carries no provenance of assay's")
    try:
        value = json.loads(text)
        provenance = msgspec.convert(value, Provenance)
    except (ValueError, RecursionError, msgspec.ValidationError) as error:
        raise ValueError(f"its provenance cannot be read: {error}") from error
    return provenance, value.get("image") == hashlib.sha256(strip_provenance(png)).hexdigest()


def _truncate(text: str) -> str:
    return text if len(text) <= MAX_CHARACTERS else f"{text[:MAX_CHARACTERS]} [cut here, of {len(text):,} characters]"


def _truncate_value(value: object) -> object:
    return _truncate(value) if isinstance(value, str) else value


TRAINED_MEDIA = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"
ALGORITHMIC_MEDIA = "http://cv.iptc.org/newscodes/digitalsourcetype/algorithmicMedia"
NAMESPACES = {
    "xmp": "http://ns.adobe.com/xap/1.0/",
    "Iptc4xmpExt": "http://iptc.org/std/Iptc4xmpExt/2008-02-29/",
    "assay": "urn:x-assay:provenance/",
}
"""XML namespaces by prefix."""
REPLACEMENT = "\ufffd"
"""Replacement for characters that cannot be written."""
_NO_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def source_type(provenance: Provenance) -> str:
    """IPTC digital source type; "" for a collected image.

    Source: IPTC NewsCodes, "Digital Source Type": trainedAlgorithmicMedia where a model made it, algorithmicMedia where
    a program did. Where we differ: a generator that names no model counts as a program.
    """
    if not provenance.synthetic:
        return ""
    return TRAINED_MEDIA if provenance.models else ALGORITHMIC_MEDIA


def xmp_packet(provenance: Provenance) -> str:
    """XMP packet: one rdf:Description with source type, tool, models, prompt and seed.

    Characters that XML 1.0 does not allow become U+FFFD; line ends and tabs stay what they are.

    Source: XMP specification part 1 (ISO 16684-1), section 7, simple properties as attributes; IPTC Photo Metadata
    Standard 2025.1, "Digital Source Type", "AI System Used" and "AI Prompt Information".
    """
    values = {
        "xmp:CreatorTool": " ".join(["assay", provenance.assay]).strip(),
        "xmp:CreateDate": provenance.date,
        "Iptc4xmpExt:DigitalSourceType": source_type(provenance),
        "Iptc4xmpExt:AISystemUsed": ", ".join(model.model for model in provenance.models),
        "Iptc4xmpExt:AIPromptInformation": provenance.prompt,
        "assay:Sample": provenance.id,
        "assay:MadeBy": " ".join(
            [provenance.made_by, *([] if provenance.version is None else [str(provenance.version)])]
        ),
        "assay:Seed": "" if provenance.seed is None else str(provenance.seed),
        "assay:Recipe": provenance.recipe,
        "assay:RecipeSha256": provenance.recipe_sha256,
    }
    lines = [f"xmlns:{prefix}={quoteattr(uri)}" for prefix, uri in NAMESPACES.items()]
    lines += [f"{name}={quoteattr(_NO_XML.sub(REPLACEMENT, value))}" for name, value in values.items() if value]
    body = "\n    ".join(lines)
    return (
        '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>\n<x:xmpmeta xmlns:x="adobe:ns:meta/">\n'
        ' <rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">\n'
        f'  <rdf:Description rdf:about=""\n    {body}/>\n </rdf:RDF>\n</x:xmpmeta>\n<?xpacket end="r"?>'
    )
