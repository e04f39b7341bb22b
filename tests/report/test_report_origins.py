"""Provenance on the page and in results.json: licenses and synthetic fractions."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from report_example import example

from assay.analysis.card import card_of
from assay.components.filters.length import Length
from assay.components.generators.from_source import FromSource
from assay.components.scorers.text.embeddings import TextEmbedding
from assay.components.sources.text.texts import Texts
from assay.core.recipe import Proof, Recipe
from assay.report.api import report
from assay.report.page import render
from page_parts import words
from run_parts import Plates, Right, recipe, run


def reported(what: Recipe, folder: Path) -> tuple[dict[str, Any], str]:
    run(what, folder)
    report(folder)
    found = json.loads((folder / "results.json").read_text(encoding="utf-8"))
    return found, words((folder / "report.html").read_text(encoding="utf-8"))


def test_every_arm_says_how_much_of_it_is_synthetic(tmp_path: Path) -> None:
    arms = ("real", "filtered", "real+synthetic", "random-subset")
    proof = Proof(Plates(), Right(), Plates(60, 5000), arms=arms, few=5)
    found, page = reported(recipe(prove=proof), tmp_path / "run")
    kept = found["funnel"]["kept"]
    shares = {row["name"]: (row["samples"], row["synthetic"]) for row in found["provenance"]["synthetic"]}
    assert shares == {
        "kept samples": (kept, kept),
        "arm real": (min(60, kept), 0),
        "arm filtered": (kept, kept),
        "arm real+synthetic": (kept + 10, kept),
        "arm random-subset": (kept, kept),
    }
    assert f"arm real+synthetic {kept + 10} {kept} {100 * kept / (kept + 10):.1f}%" in page


@pytest.mark.parametrize("licence", ["cc-by-4.0", ""])
def test_collected_texts_have_the_licence_of_the_card_beside_them(tmp_path: Path, licence: str) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "some.txt").write_text("a river\na\na b c\n", encoding="utf-8")
    if licence:
        (tmp_path / "data" / "README.md").write_text(f"---\nlicense: {licence}\n---\n", encoding="utf-8")
    given = FromSource(Texts(str(tmp_path / "data" / "some.txt")))
    what = Recipe("given", given, score={"place": TextEmbedding(text="instruction")}, keep=(Length(low=2),))
    found, page = reported(what, tmp_path / "run")
    said = licence or "unknown"
    assert found["provenance"]["synthetic"] == [{"name": "kept samples", "samples": 2, "synthetic": 0}]
    (source,) = found["provenance"]["data"]
    assert (source["name"], source["count"], source["licence"]) == ("Texts", 3, said)
    (model,) = found["provenance"]["models"]
    assert (model["reference"], model["licence"]) == ("embedded:minilm", "apache-2.0")
    assert "kept samples 2 0 0.0%" in page
    assert "embedded:minilm apache-2.0" in page
    card = card_of(tmp_path / "run")
    assert card.data == (("Texts some.txt", said),)
    assert [(one.part, one.licence) for one in card.models] == [("scorer (place)", "apache-2.0")]


def test_what_was_not_counted_is_not_called_zero() -> None:
    page = words(render(example()))
    assert "arm older 4,812 not recorded" in page
    assert "arm real 4,812 0 0.0%" in page
