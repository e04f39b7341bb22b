"""Provenance as an XMP packet: what photo tools, search engines and newsrooms read from an image."""

from __future__ import annotations

import re
from xml.sax.saxutils import quoteattr

from assay.core.provenance import Provenance

TRAINED = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"
ALGORITHM = "http://cv.iptc.org/newscodes/digitalsourcetype/algorithmicMedia"
SPACES = {
    "xmp": "http://ns.adobe.com/xap/1.0/",
    "Iptc4xmpExt": "http://iptc.org/std/Iptc4xmpExt/2008-02-29/",
    "assay": "urn:x-assay:provenance/",
}
"""Of the properties, by prefix."""
LOST = "\ufffd"
"""Stands where a character was that cannot be written."""
_NO_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def source_type(said: Provenance) -> str:
    """IPTC's digital source type; "" of a collected image, for nobody knows how it was made.

    Source: IPTC NewsCodes, "Digital Source Type": trainedAlgorithmicMedia where a model made it, algorithmicMedia where
    a program did. Where we differ: a generator that names no model counts as a program.
    """
    if not said.synthetic:
        return ""
    return TRAINED if said.models else ALGORITHM


def packet(said: Provenance) -> str:
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
    lines = [f"xmlns:{prefix}={quoteattr(uri)}" for prefix, uri in SPACES.items()]
    lines += [f"{name}={quoteattr(_NO_XML.sub(LOST, value))}" for name, value in values.items() if value]
    body = "\n    ".join(lines)
    return (
        '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>\n<x:xmpmeta xmlns:x="adobe:ns:meta/">\n'
        ' <rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">\n'
        f'  <rdf:Description rdf:about=""\n    {body}/>\n </rdf:RDF>\n</x:xmpmeta>\n<?xpacket end="r"?>'
    )
