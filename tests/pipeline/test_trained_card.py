"""Model cards of trained models: start, data and synthetic fraction."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from assay.components.generators.from_source import FromSource
from assay.components.generators.generate_images import GenerateImages
from assay.components.sources.image.fashion_mnist import FashionMNIST
from assay.components.sources.text.texts import Texts
from assay.components.trainers.image_classifier import ImageClassifier
from assay.components.trainers.sft.sft import SFT
from assay.components.trainers.text_classifier import TextClassifier
from assay.core.provenance import Used
from assay.core.recipe import Proof, Recipe
from assay.pipeline.lineage.trained_card import card_for
from assay.pipeline.plan import recipe_stages
from assay.pipeline.stages.context import read_artifact
from assay.pipeline.stages.stage import StageKind
from assay.store.export.cards import ModelCard, model_card_text
from assay.store.receipts import Receipt, damaged_files, read_receipt
from run_parts import Look, Middles, Plates, Right, Shapes, counts, datasets, folder_of, recipe, run, stamps

ARMS = ("real", "unfiltered", "filtered", "permuted-labels", "real+synthetic", "nearest-real")


def recipe_of_arms() -> Recipe:
    from run_parts import Bright

    proof = Proof(
        Plates(),
        Right(),
        Plates(60, 5000),
        arms=ARMS,
        few=5,
        fingerprint="look",
        curve=(4,),
        answer=("real+synthetic", "real"),
    )
    return recipe(score={"bright": Bright(), "look": Look()}, prove=proof)


@pytest.fixture(scope="module")
def finished_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "run"
    run(recipe_of_arms(), folder)
    return folder


def card(run_folder: Path, stage: str) -> str:
    return (folder_of(run_folder, stage) / "model" / "README.md").read_text(encoding="utf-8")


def front_matter(text: str) -> Mapping[str, Any]:
    values: Mapping[str, Any] = yaml.safe_load(text.split("---\n")[1])
    return values


@pytest.mark.full
def test_the_card_of_every_arm_states_its_data_and_synthetic_fraction(finished_run: Path) -> None:
    kept = counts(finished_run, "keep")["kept"]
    synthetic_counts = {
        "real": 0,
        "unfiltered": 150,
        "filtered": kept,
        "permuted-labels": kept,
        "real+synthetic": kept,
        "nearest-real": 0,
    }
    rows = {"real": min(60, kept), "unfiltered": 150, "real+synthetic": kept + 10}
    for arm, synthetic in synthetic_counts.items():
        n = rows.get(arm, kept)
        text = card(finished_run, f"train-{arm}-0")
        fraction = rf"\b{synthetic:,} of {n:,} samples .*\({100 * synthetic / n:.3g}%\)"
        assert re.search(fraction, text)
        assert bool(re.search(r"\bSynthetic:\*\* .*\brun_parts:Shapes 1\.", text)) is (synthetic > 0)
        assert ("Collected:** run_parts:Plates (license unknown)." in text) is (synthetic < n)
        assert front_matter(text)["tags"] == [*(["synthetic"] if synthetic else []), "assay"]
        assert front_matter(text)["license"] == "unknown"
        assert f"{arm!r}" in text
    assert re.search(r"\b4 real samples\b.*\blabel\b", card(finished_run, "train-real-4-0"))
    receipt = read_receipt(folder_of(finished_run, "train-filtered-0"))
    assert receipt is not None
    assert f"- **stage:** train-filtered-0-{receipt.key}\n" in card(finished_run, "train-filtered-0")
    assert str(finished_run) not in card(finished_run, "train-filtered-0")


def test_a_card_is_in_no_receipt(finished_run: Path) -> None:
    folder = folder_of(finished_run, "train-filtered-0")
    receipt = read_receipt(folder)
    assert receipt is not None
    assert set(receipt.files) == {"artifact.json", "model/middles.json"}
    assert damaged_files(folder, receipt) == []
    assert read_artifact(folder).digest == json.loads((folder / "artifact.json").read_text())["digest"]


@pytest.mark.full
def test_an_edited_card_is_kept_and_a_deleted_one_is_written_again(finished_run: Path, tmp_path: Path) -> None:
    run(recipe_of_arms(), tmp_path / "run")
    assert datasets(tmp_path / "run") == datasets(finished_run)
    edited = folder_of(tmp_path / "run", "train-filtered-0") / "model" / "README.md"
    deleted = folder_of(tmp_path / "run", "train-real+synthetic-0") / "model" / "README.md"
    edited.write_text("my own words", encoding="utf-8")
    deleted.unlink()  # as after a kill between the receipt and the card
    before = stamps(tmp_path / "run")
    reporter = run(recipe_of_arms(), tmp_path / "run")
    assert reporter.warnings == []
    changed = {name for name, stamp in stamps(tmp_path / "run").items() if before.get(name) != stamp}
    assert {tmp_path / "run" / name for name in changed} == {deleted}
    assert edited.read_text(encoding="utf-8") == "my own words"
    assert deleted.read_text(encoding="utf-8") == card(finished_run, "train-real+synthetic-0")


def test_a_receipt_without_a_synthetic_count(finished_run: Path) -> None:
    recipe_ = recipe_of_arms()
    stage = next(stage for stage in recipe_stages(recipe_) if stage.name == "train-real+synthetic-0")
    receipt = read_receipt(folder_of(finished_run, "train-real+synthetic-0"))
    assert receipt is not None
    old_receipt = replace(receipt, counts={name: n for name, n in receipt.counts.items() if name != "synthetic"})
    text = model_card_text(card_for(recipe_, stage, old_receipt, "middles"))
    assert re.search(r"\bsynthetic\b.*\bnot counted\b", text)
    assert "%" not in text
    assert front_matter(text)["tags"] == ["assay"]


def card_of_first_arm(recipe_: Recipe, synthetic: int, samples: int = 10) -> ModelCard:
    """The card of the first arm of a recipe, as if it had been trained."""
    stage = next(stage for stage in recipe_stages(recipe_) if stage.id.kind is StageKind.TRAIN)
    receipt = Receipt(
        stage=stage.name, key="ab12", spec=stage.spec, inputs=(), component_version=1, seed=0,
        counts={"samples": samples, "synthetic": synthetic, "steps": 3}, files={}, seconds=0,
        digest="44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a",
    )  # fmt: skip
    return card_for(recipe_, stage, receipt, "image-classifier")


def recipe_with_proof(train: Any, generate: Any = None, arm: str = "real+synthetic", real: Any = None) -> Recipe:
    proof = Proof(Plates(), Right(), real or FashionMNIST(), arms=(arm,))
    return Recipe("one", generate or GenerateImages("embedded:fashion-diffusion", ("a",), 1), train=train, prove=proof)


def checkpoint(folder: Path, license: str) -> str:
    folder.mkdir()
    (folder / "README.md").write_text(f"---\nlicense: {license}\n---\n", encoding="utf-8")
    return str(folder)


def test_the_start_model_and_its_license(tmp_path: Path) -> None:
    random = card_of_first_arm(recipe_with_proof(ImageClassifier(("a", "b"))), 4)
    assert (random.start, random.hub) == (None, "")
    assert "Random weights." in model_card_text(random)
    local = card_of_first_arm(
        recipe_with_proof(ImageClassifier(("a", "b"), checkpoint(tmp_path / "mine", "cc-by-4.0"))), 4
    )
    assert front_matter(model_card_text(local))["license"] == "cc-by-4.0"
    assert "base_model" not in front_matter(model_card_text(local))
    packaged = card_of_first_arm(recipe_with_proof(SFT()), 4)
    assert packaged.start == Used("embedded:smollm2", "apache-2.0")
    assert front_matter(model_card_text(packaged))["base_model"] == "HuggingFaceTB/SmolLM2-135M-Instruct"
    assert front_matter(model_card_text(packaged))["license"] == "apache-2.0"
    assert (
        card_of_first_arm(recipe_with_proof(TextClassifier(("a", "b"))), 4).hub
        == "sentence-transformers/all-MiniLM-L6-v2"
    )
    hub = card_of_first_arm(recipe_with_proof(SFT("nobody/nothing")), 4)
    assert (hub.hub, hub.start) == ("nobody/nothing", Used("nobody/nothing"))
    unknown = card_of_first_arm(recipe_with_proof(Middles()), 4)
    assert unknown.start == Used("unknown")


def test_the_data_and_their_generators(tmp_path: Path) -> None:
    mixed = card_of_first_arm(recipe_with_proof(SFT()), 4)
    assert mixed.made_with == (Used("embedded:fashion-diffusion", "mit"),)
    assert mixed.data == (("FashionMNIST", "mit"),)
    text = model_card_text(mixed)
    assert re.search(r"\b4 of 10 samples\b.*\(40%\)", text)
    assert re.search(
        r"^- \*\*Synthetic:\*\* .*\bGenerateImages 1\b.*`embedded:fashion-diffusion` \(license mit\)\.$",
        text,
        re.MULTILINE,
    )
    assert "- **Collected:** FashionMNIST (license mit)." in text
    assert front_matter(text)["datasets"] == ["FashionMNIST"]
    assert front_matter(text)["pipeline_tag"] == "image-classification"
    filtered = card_of_first_arm(recipe_with_proof(SFT(), arm="filtered"), 10)
    assert filtered.data == ()
    assert "datasets" not in front_matter(model_card_text(filtered))
    (tmp_path / "some.txt").write_text("a b\n", encoding="utf-8")
    collected = card_of_first_arm(
        recipe_with_proof(SFT(), FromSource(Texts(str(tmp_path / "some.txt"))), arm="filtered"), 0
    )
    assert collected.data == (("Texts some.txt", "unknown"),)
    assert str(tmp_path) not in model_card_text(collected)
    assert card_of_first_arm(recipe_with_proof(SFT(), Shapes()), 4).made_with == ()


def test_text_in_a_card_is_escaped() -> None:
    text = "---\nlicense: mit\n`<script>`"
    model = Used(text, text)
    card_text = model_card_text(
        ModelCard(
            name=text,
            kind=text,
            role=text,
            start=model,
            hub=text,
            samples=2,
            synthetic=1,
            made_with=(model,),
            made_by=text,
            data=((text, text),),
            training=((text, text),),
            recipe=text,
            version=text,
        )
    )
    assert front_matter(card_text)["license"] == " ".join(text.split())
    assert set(front_matter(card_text)) == {"license", "base_model", "tags"}
    assert "<script>" not in card_text.split("\n---\n", 1)[1]
    assert "\n---" not in card_text.split("\n---\n", 1)[1]
