"""Provenance in PNG files: other readers see it, pixels do not change, and it is read back unchanged."""

from __future__ import annotations

import io
import json
import struct
import zlib
from collections.abc import Mapping
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image as Pillow

from assay.core.provenance import Ancestor, Judged, Provenance, Used
from assay.images.codec import decode, encode_png
from assay.images.metadata import (
    ALGORITHMIC_MEDIA,
    KEYWORDS,
    MAX_CHARACTERS,
    NAMESPACES,
    PROVENANCE_KEYWORD,
    TRAINED_MEDIA,
    XMP,
    embed_provenance,
    read_provenance,
    strip_provenance,
    xmp_packet,
)

PIXELS = np.arange(192, dtype=np.uint8).reshape(8, 8, 3)
PICTURE = encode_png(PIXELS)
RDF = "{http://www.w3.org/1999/02/22-rdf-syntax-ns#}"
PROVENANCE = Provenance(
    id="3f2a",
    synthetic=True,
    made_by="GenerateImages",
    version=1,
    models=(Used("embedded:fashion-diffusion", "mit"),),
    prompt='a "red" <bag> & 한국 \n عربي',
    seed=2**62 + 1,
    settings={"steps": 8, "guidance": 1.5, "decoding": {"strategy": "greedy"}},
    chain=(Ancestor("91c0", "GenerateImages"), Ancestor("77aa", "collected", "seeds.jsonl:3")),
    scored_by={"match": Judged("ClipMatch", 1, ("embedded:fashion-clip",))},
    recipe="fashion",
    recipe_sha256="ab" * 32,
    stage="generate-3f2a",
    run_seed=7,
    assay="0.1.0",
    date="2026-11-24T04:00:00+00:00",
)
TEXT = st.text(st.characters(exclude_categories=("Cs",)), max_size=60)


def chunks(png: bytes) -> list[tuple[bytes, bytes]]:
    """Type and data of every chunk, by the words of the specification: length, type, data, CRC of type and data."""
    parts, offset = [], 8
    while offset < len(png):
        (size,) = struct.unpack(">I", png[offset : offset + 4])
        kind, data = png[offset + 4 : offset + 8], png[offset + 8 : offset + 8 + size]
        assert struct.unpack(">I", png[offset + 8 + size : offset + 12 + size]) == (zlib.crc32(kind + data),)
        parts.append((kind, data))
        offset += 12 + size
    return parts


def properties(xmp: str) -> Mapping[str, str]:
    """Properties of a packet, parsed by libxml2."""
    from lxml import etree

    root = etree.fromstring(xmp.encode())
    assert root.tag == "{adobe:ns:meta/}xmpmeta"
    (description,) = root.findall(f"{RDF}RDF/{RDF}Description")
    attributes = dict(description.attrib)
    assert attributes.pop(f"{RDF}about") == ""
    names = {uri: prefix for prefix, uri in NAMESPACES.items()}
    return {
        f"{names[name[1:].partition('}')[0]]}:{name.partition('}')[2]}": value for name, value in attributes.items()
    }


def text_of(png: bytes) -> Mapping[str, Any]:
    with Pillow.open(io.BytesIO(png)) as image:
        image.load()
        return dict(image.text)  # type: ignore[attr-defined]


def test_other_readers_see_the_provenance() -> None:
    png = embed_provenance(PICTURE, PROVENANCE)
    text = text_of(png)
    assert set(text) == set(KEYWORDS)
    assert (text["Software"], text["Seed"], text["Sample"]) == ("assay 0.1.0", str(2**62 + 1), "3f2a")
    assert (text["Prompt"], text["Model"]) == (PROVENANCE.prompt, "embedded:fashion-diffusion")
    assert text["Source Type"] == TRAINED_MEDIA
    assert json.loads(text[PROVENANCE_KEYWORD])["chain"][1] == {
        "id": "77aa",
        "made_by": "collected",
        "origin": "seeds.jsonl:3",
    }
    assert properties(text[XMP]) == {
        "xmp:CreatorTool": "assay 0.1.0",
        "xmp:CreateDate": PROVENANCE.date,
        "Iptc4xmpExt:DigitalSourceType": "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia",
        "Iptc4xmpExt:AISystemUsed": "embedded:fashion-diffusion",
        "Iptc4xmpExt:AIPromptInformation": PROVENANCE.prompt,
        "assay:Sample": "3f2a",
        "assay:MadeBy": "GenerateImages 1",
        "assay:Seed": str(2**62 + 1),
        "assay:Recipe": "fashion",
        "assay:RecipeSha256": "ab" * 32,
    }


def test_provenance_changes_no_other_chunk() -> None:
    png = embed_provenance(PICTURE, PROVENANCE)
    before, after = chunks(PICTURE), chunks(png)
    assert [part for part in after if part[0] not in (b"tEXt", b"iTXt")] == before
    assert np.array_equal(decode(png), PIXELS)
    assert strip_provenance(png) == PICTURE
    assert strip_provenance(PICTURE) == PICTURE
    assert embed_provenance(PICTURE, PROVENANCE) == png
    (xmp,) = [data for kind, data in after if kind == b"iTXt" and data.startswith(XMP.encode() + b"\0")]
    assert xmp[len(XMP) : len(XMP) + 5] == bytes(5)  # not compressed, no language, no other keyword


def test_provenance_round_trip_and_changed_file() -> None:
    png = embed_provenance(PICTURE, PROVENANCE)
    assert read_provenance(png) == (PROVENANCE, True)
    other = encode_png(PIXELS[::-1])
    assert read_provenance(other[:33] + png[33 : len(png) - len(PICTURE) + 33] + other[33:]) == (PROVENANCE, False)


@given(prompt=TEXT, name=TEXT, settings=st.dictionaries(TEXT, TEXT | st.integers(-(2**63), 2**64 - 1), max_size=2))
def test_any_text_is_read_back(prompt: str, name: str, settings: dict[str, Any]) -> None:
    provenance = Provenance(
        id="x", synthetic=True, made_by=name, version=1, models=(Used(name),), prompt=prompt, settings=settings
    )
    png = embed_provenance(PICTURE, provenance)
    assert read_provenance(png) == (provenance, True)
    assert strip_provenance(png) == PICTURE
    chunks(png)
    text = text_of(png)
    assert text.get("Prompt", "") == prompt.replace("\0", "\ufffd")
    xmp_prompt = properties(text[XMP]).get("Iptc4xmpExt:AIPromptInformation", "")
    assert len(xmp_prompt) == len(prompt)
    assert all(char in (expected, "\ufffd") for char, expected in zip(xmp_prompt, prompt, strict=True))
    assert all(
        char == expected
        for char, expected in zip(xmp_prompt, prompt, strict=True)
        if expected.isprintable() or expected in "\n\r\t"
    )


def test_long_prompt_is_truncated() -> None:
    prompt = "한" * 2_000_000
    png = embed_provenance(
        PICTURE,
        Provenance(id="x", synthetic=True, made_by="GenerateImages", prompt=prompt, settings={"system": prompt}),
    )
    assert len(png) < 1_000_000
    provenance, same = read_provenance(png)
    assert provenance.prompt.startswith(prompt[:MAX_CHARACTERS] + " [")
    assert "2,000,000" in provenance.prompt[MAX_CHARACTERS:]
    assert len(provenance.prompt) < MAX_CHARACTERS + 100
    assert provenance.settings == {"system": provenance.prompt}
    assert same
    assert properties(text_of(png)[XMP])["Iptc4xmpExt:AIPromptInformation"] == provenance.prompt


def test_source_type_by_origin() -> None:
    by_program = Provenance(id="x", synthetic=True, made_by="Noise")
    assert properties(xmp_packet(by_program))["Iptc4xmpExt:DigitalSourceType"] == ALGORITHMIC_MEDIA
    collected = Provenance(id="x", synthetic=False, made_by="collected")
    assert "Iptc4xmpExt:DigitalSourceType" not in properties(xmp_packet(collected))
    assert "Source Type" not in text_of(embed_provenance(PICTURE, collected))


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


@pytest.mark.parametrize(
    "text",
    [b"", b"x", b"[]", b"{}", b'{"id": 3, "synthetic": true, "made_by": "x"}', b"[" * 100_000, b"\xff\xfe", b"NaN"],
    ids=["empty", "no JSON", "a list", "lacking", "of another type", "too deep", "no text", "no number"],
)
def test_unreadable_provenance_is_a_value_error(text: bytes) -> None:
    png = PICTURE[:33] + chunk(b"tEXt", b"assay\0" + text) + PICTURE[33:]
    with pytest.raises(ValueError, match="provenance") as caught:
        read_provenance(png)
    assert isinstance(caught.value.__cause__, ValueError | RecursionError | msgspec.ValidationError)


@pytest.mark.parametrize(
    "data",
    [b"", b"\x89PNG\r\n\x1a\n", b"GIF89a", PICTURE[:60], embed_provenance(PICTURE, PROVENANCE)[:400]],
    ids=["nothing", "a signature", "another kind", "cut off", "cut off in what it says"],
)
def test_other_files_are_a_value_error(data: bytes) -> None:
    with pytest.raises(ValueError, match=r"PNG|provenance"):
        read_provenance(data)
    strip_provenance(data)


def test_other_text_chunks_are_unchanged() -> None:
    png_with_author = PICTURE[:33] + chunk(b"tEXt", b"Author\0me") + PICTURE[33:]
    png = embed_provenance(png_with_author, PROVENANCE)
    assert strip_provenance(png) == png_with_author
    assert text_of(png)["Author"] == "me"
    with pytest.raises(ValueError, match="provenance") as caught:
        read_provenance(png_with_author)
    assert caught.value.__cause__ is None  # missing, not damaged
