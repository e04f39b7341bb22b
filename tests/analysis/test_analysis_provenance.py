"""Provenance on the page and in results.json: licenses and synthetic fractions."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from assay.analysis.card import card_of
from assay.components.filters.length import Length
from assay.components.generators.from_source import FromSource
from assay.components.scorers.text.embeddings import TextEmbedding
from assay.components.sources.text.texts import Texts
from assay.core.recipe import Proof, Recipe
from assay.report.api import report
from assay.report.page import render
from page_parts import words
from report_example import example
from run_parts import Plates, Right, recipe, run


def reported(recipe: Recipe, folder: Path) -> tuple[dict[str, Any], str]:
    run(recipe, folder)
    report(folder)
    results = json.loads((folder / "results.json").read_text(encoding="utf-8"))
    return results, words((folder / "report.html").read_text(encoding="utf-8"))


def test_synthetic_samples_are_counted_by_arm(tmp_path: Path) -> None:
    arms = ("real", "filtered", "real+synthetic", "random-subset")
    proof = Proof(Plates(), Right(), Plates(60, 5000), arms=arms, few=5)
    results, page = reported(recipe(prove=proof), tmp_path / "run")
    kept = results["funnel"]["kept"]
    counts = {row["name"]: (row["samples"], row["synthetic"]) for row in results["provenance"]["synthetic"]}
    assert counts == {
        "kept samples": (kept, kept),
        "arm real": (min(60, kept), 0),
        "arm filtered": (kept, kept),
        "arm real+synthetic": (kept + 10, kept),
        "arm random-subset": (kept, kept),
    }
    assert f"arm real+synthetic {kept + 10} {kept} {100 * kept / (kept + 10):.1f}%" in page


@pytest.mark.parametrize("license_", ["cc-by-4.0", ""])
def test_collected_texts_have_the_license_of_the_dataset_card(tmp_path: Path, license_: str) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "some.txt").write_text("a river\na\na b c\n", encoding="utf-8")
    if license_:
        (tmp_path / "data" / "README.md").write_text(f"---\nlicense: {license_}\n---\n", encoding="utf-8")
    generator = FromSource(Texts(str(tmp_path / "data" / "some.txt")))
    recipe_of_texts = Recipe(
        "given", generator, score={"place": TextEmbedding(text="instruction")}, keep=(Length(low=2),)
    )
    results, page = reported(recipe_of_texts, tmp_path / "run")
    license_ = license_ or "unknown"
    assert results["provenance"]["synthetic"] == [{"name": "kept samples", "samples": 2, "synthetic": 0}]
    (source,) = results["provenance"]["data"]
    assert (source["name"], source["count"], source["license"]) == ("Texts", 3, license_)
    (model,) = results["provenance"]["models"]
    assert (model["reference"], model["license"]) == ("embedded:minilm", "apache-2.0")
    assert "kept samples 2 0 0.0%" in page
    assert "embedded:minilm apache-2.0" in page
    card = card_of(tmp_path / "run")
    assert card.data == (("Texts some.txt", license_),)
    assert [(model.part, model.license) for model in card.models] == [("scorer (place)", "apache-2.0")]


def test_an_unknown_number_of_synthetic_samples_is_not_zero() -> None:
    page = words(render(example()))
    assert "arm older 4,812 not recorded" in page
    assert "arm real 4,812 0 0.0%" in page
