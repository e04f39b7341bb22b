"""Provenance within a PNG file: put in, read back and taken out again, without a pixel being touched.

Provenance as an XMP packet: what photo tools, search engines and newsrooms read from an image.
"""

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
"""The keyword under which a PNG file holds an XMP packet."""
PROVENANCE_KEYWORD = "assay"
"""The keyword of everything that is known, as JSON."""
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
        said,
        prompt=_truncate(said.prompt),
        settings={name: _truncate_value(one) for name, one in said.settings.items()},
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
        PROVENANCE_KEYWORD: told,
    }
    chunks = PngInfo()
    chunks.add_itxt(XMP, xmp_packet(said))
    for keyword, value in values.items():
        if value:
            # A zero byte ends a text in PNG.
            chunks.add_text(keyword, value.replace("\0", REPLACEMENT))
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
            text = getattr(image, "text", {}).get(PROVENANCE_KEYWORD)
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
"""Of the properties, by prefix."""
REPLACEMENT = "\ufffd"
"""Stands where a character was that cannot be written."""
_NO_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def source_type(said: Provenance) -> str:
    """IPTC's digital source type; "" of a collected image, for nobody knows how it was made.

    Source: IPTC NewsCodes, "Digital Source Type": trainedAlgorithmicMedia where a model made it, algorithmicMedia where
    a program did. Where we differ: a generator that names no model counts as a program.
    """
    if not said.synthetic:
        return ""
    return TRAINED_MEDIA if said.models else ALGORITHMIC_MEDIA


def xmp_packet(said: Provenance) -> str:
    """One rdf:Description with a property each for the source type, the tool, the models, the prompt and the seed.

    Characters that XML 1.0 does not allow become U+FFFD; line ends and tabs stay what they are.

    Source: XMP specification part 1 (ISO 16684-1), section 7, simple properties as attributes; IPTC Photo Metadata
    Standard 2025.1, "Digital Source Type", "AI System Used" and "AI Prompt Information".
    """
    values = {
        "xmp:CreatorTool": " ".join(["assay", said.assay]).strip(),
        "xmp:CreateDate": said.date,
        "Iptc4xmpExt:DigitalSourceType": source_type(said),
        "Iptc4xmpExt:AISystemUsed": ", ".join(one.model for one in said.models),
        "Iptc4xmpExt:AIPromptInformation": said.prompt,
        "assay:Sample": said.id,
        "assay:MadeBy": " ".join([said.made_by, *([] if said.version is None else [str(said.version)])]),
        "assay:Seed": "" if said.seed is None else str(said.seed),
        "assay:Recipe": said.recipe,
        "assay:RecipeSha256": said.recipe_sha256,
    }
    lines = [f"xmlns:{prefix}={quoteattr(uri)}" for prefix, uri in NAMESPACES.items()]
    lines += [f"{name}={quoteattr(_NO_XML.sub(REPLACEMENT, value))}" for name, value in values.items() if value]
    body = "\n    ".join(lines)
    return (
        '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>\n<x:xmpmeta xmlns:x="adobe:ns:meta/">\n'
        ' <rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">\n'
        f'  <rdf:Description rdf:about=""\n    {body}/>\n </rdf:RDF>\n</x:xmpmeta>\n<?xpacket end="r"?>'
    )
