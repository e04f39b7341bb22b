from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from assay.components.sources.text import food_reviews
from assay.components.sources.text.food_reviews import FoodReviews
from assay.components.sources.text.labeled_texts import LabeledTexts
from assay.core.errors import SourceError
from error_fields import raises
from labs import tiny_lab

ROWS = [("좋다", "good"), ("so so", "bad"), ("fine", "good"), ("meh", "bad"), ("great", "good")]


@pytest.fixture
def table(tmp_path: Path) -> str:
    path = tmp_path / "rows.csv"
    path.write_text("text,label\n" + "".join(f"{text},{label}\n" for text, label in ROWS), encoding="utf-8")
    return str(path)


def rows_of(source: LabeledTexts) -> list[tuple[str, str]]:
    return [(sample.text("text"), sample.text("label")) for sample in source.read(tiny_lab())]


def test_csv_and_jsonl_are_equal(table: str, tmp_path: Path) -> None:
    lines = tmp_path / "rows.jsonl"
    lines.write_text("\n".join(json.dumps({"say": text, "kind": label}) for text, label in ROWS), encoding="utf-8")
    assert rows_of(LabeledTexts(table)) == ROWS == rows_of(LabeledTexts(str(lines), "say", "kind"))


def test_per_label_and_skip(table: str) -> None:
    learned, measured = rows_of(LabeledTexts(table, per_label=1)), rows_of(LabeledTexts(table, skip=1, per_label=1))
    assert learned == [("좋다", "good"), ("so so", "bad")]
    assert measured == [("fine", "good"), ("meh", "bad")]
    assert rows_of(LabeledTexts(table, skip=1)) == ROWS[2:]


def test_invalid_arguments_and_files_raise(table: str, tmp_path: Path) -> None:
    with raises(SourceError, path=table, label="bad", count=2, per_label=3):
        LabeledTexts(table, per_label=3).read(tiny_lab())
    with raises(SourceError, path=table, label="bad", count=2, skip=2):
        LabeledTexts(table, skip=2).read(tiny_lab())
    with raises(SourceError, path=table, name="words"):
        LabeledTexts(table, text="words").read(tiny_lab())
    (tmp_path / "none.csv").write_text("text,label\n", encoding="utf-8")
    with raises(SourceError, path=str(tmp_path / "none.csv"), records=0):
        LabeledTexts(str(tmp_path / "none.csv")).read(tiny_lab())
    (tmp_path / "blank.csv").write_text("text,label\n ,good\n", encoding="utf-8")
    with raises(SourceError, place=f"{tmp_path / 'blank.csv'}, line 2", name="text"):
        LabeledTexts(str(tmp_path / "blank.csv")).read(tiny_lab())
    with raises(SourceError, path="rows.xlsx"):
        LabeledTexts("rows.xlsx").read(tiny_lab())
    with pytest.raises(ValueError, match=r"LabeledTexts\b.*'text'"):
        LabeledTexts(table, label="text")
    with pytest.raises(ValueError, match=r"skip .*-1"):
        LabeledTexts(table, skip=-1)


def test_changed_file_changes_the_listing(table: str) -> None:
    before = LabeledTexts(table).listing()
    Path(table).write_text("text,label\nnew,good\n", encoding="utf-8")
    assert LabeledTexts(table).listing() != before


def test_food_reviews_splits_are_complete_and_disjoint() -> None:
    splits = {name: FoodReviews(name).read(tiny_lab()) for name in ("train", "validation", "test")}  # type: ignore[arg-type]
    assert {name: len(samples) for name, samples in splits.items()} == {"train": 2979, "validation": 994, "test": 1000}
    assert Counter(sample.text("label") for sample in splits["test"]) == {"great": 658, "other": 342}
    texts = {name: {sample.text("text") for sample in samples} for name, samples in splits.items()}
    assert not texts["train"] & texts["test"]
    assert not texts["validation"] & texts["test"]
    assert not any("<br" in text for split_texts in texts.values() for text in split_texts)
    few = FoodReviews("test", per_label=5).read(tiny_lab())
    assert Counter(sample.text("label") for sample in few) == {"great": 5, "other": 5}


def test_wrong_digest_raises(tmp_path: Path) -> None:
    place = food_reviews.find()
    (tmp_path / "Rdata.rdx").write_bytes((place / "Rdata.rdx").read_bytes())
    whole = bytearray((place / "Rdata.rdb").read_bytes())
    (tmp_path / "Rdata.rdb").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(SourceError, match="testing_data"):
        FoodReviews(folder=str(tmp_path)).read(tiny_lab())
    with pytest.raises(SourceError, match=r"Rdata.rdx"):
        FoodReviews(folder=str(tmp_path / "none")).read(tiny_lab())


def test_missing_package_raises(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr(food_reviews, "INSTALLED", tmp_path / "not installed")
    food_reviews.rows.cache_clear()
    with pytest.raises(SourceError, match="r-cran-modeldata"):
        FoodReviews().read(tiny_lab())
