"""RougeNovelty in one call, and in a run of several shards."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import pytest

from assay.components.filters.novel import Novel
from assay.components.scorers.contamination.rouge_novelty import RougeNovelty
from assay.components.sources.text.texts import Texts
from assay.core.errors import FieldError, RecipeError, SourceError
from assay.core.lab import Lab
from assay.core.recipe import Recipe
from assay.core.sample import Made, Sample
from assay.core.score import Outcome, Score, Unscored
from assay.pipeline.lineage.explain import explain_sample
from assay.pipeline.recipe.codec import dump, parse, read
from assay.pipeline.recipe.spec import build, describe
from assay.pipeline.stages.context import outcomes_of
from assay.pipeline.stages.parts import samples_of
from assay.text.similarity.rouge import rouge_f1
from error_fields import raises
from labs import tiny_lab
from run_parts import folder_of, run

TASKS = ("Write a poem about the sea.", "Name three fruits.", "…", "Write a short poem about the sea.", "Name rivers.")


def samples(*tasks: str) -> list[Sample]:
    return [Sample({"instruction": task}, nth=nth) for nth, task in enumerate(tasks)]


def write_texts(folder: Path, *tasks: str) -> Texts:
    path = folder / "written.txt"
    path.write_text("\n".join(tasks), encoding="utf-8")
    return Texts(str(path))


def score_of(outcome: Outcome, nearest: str = "") -> tuple[float, object]:
    """Value and evidence; the reason names the nearest text."""
    assert isinstance(outcome, Score)
    assert outcome.reason.endswith(nearest)
    return outcome.value, outcome.evidence


def test_score_and_nearest_earlier_text() -> None:
    tasks = samples(*TASKS)
    first, second, none, near, far = RougeNovelty().score(tasks, tiny_lab())
    assert score_of(first) == (0.0, {"shared": 0, "words": 6})
    assert score_of(second) == (0.0, {"shared": 0, "words": 3})
    assert isinstance(none, Unscored)
    assert none.cause == "not_applicable"
    assert score_of(near, tasks[0].id) == (rouge_f1(6, 7, 6), {"shared": 6, "words": 7, "nearest_words": 6})
    assert score_of(far, tasks[1].id) == (0.4, {"shared": 1, "words": 2, "nearest_words": 3})


def test_source_texts_precede_the_samples(tmp_path: Path) -> None:
    source = write_texts(tmp_path, "Name four fruits.", "Write a poem about the sea!")
    both = RougeNovelty(against=source).score(samples(*TASKS), tiny_lab())
    assert score_of(both[0], "written.txt:2") == (1.0, {"shared": 6, "words": 6, "nearest_words": 6})
    alone = RougeNovelty(against=source, before=False).score(samples(*TASKS), tiny_lab())
    assert score_of(alone[3], "written.txt:2") == (rouge_f1(6, 7, 6), {"shared": 6, "words": 7, "nearest_words": 6})
    assert [RougeNovelty(against=source).whole, RougeNovelty(against=source, before=False).whole] == [True, False]


def test_invalid_arguments_raise(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"RougeNovelty.against"):
        RougeNovelty(before=False)
    with pytest.raises(FieldError, match="'instruction'"):
        RougeNovelty().score([Sample({"text": "a"})], tiny_lab())
    with raises(SourceError, path=str(tmp_path / "nowhere.txt")):
        RougeNovelty(against=Texts(str(tmp_path / "nowhere.txt"))).score([], tiny_lab())


def test_source_in_a_spec_round_trips() -> None:
    scorer = RougeNovelty(against=Texts("seeds.jsonl", limit=3))
    spec = describe(scorer)
    assert spec["against"] == {"use": "Texts", "path": "seeds.jsonl", "field": "instruction", "limit": 3}
    assert build("scorers", spec, "score.new") == scorer
    for wrong, message in (
        ({"use": "Txts", "path": "a.txt"}, r"'Txts'(?s:.*)'Texts'"),
        ({"use": "Texts"}, r"score\.new\.against.*\bTexts\b.*'path'"),
        ("seeds.jsonl", r"score\.new\.against .*\buse\b"),
        ({"use": "Novel"}, "filters"),
    ):
        with pytest.raises(RecipeError, match=message):
            build("scorers", spec | {"against": wrong}, "score.new")


@dataclass(frozen=True)
class Tasks:
    """Short instructions, many of them similar, in three shards."""

    count: int = 150

    version: ClassVar[int] = 1

    def seeds(self) -> list[Sample]:
        return [Sample({"nth": str(nth)}, made_by="Tasks") for nth in range(self.count)]

    def generate(self, seeds: Any, lab: Lab) -> list[Made]:
        return [Sample({"instruction": self._text(int(seed.text("nth")))}, (seed.id,), "Tasks") for seed in seeds]

    def _text(self, nth: int) -> str:
        return f"Write {nth % 11} lines on a{nth % 7} and b{nth % 5} for c{nth % 3}."


def recipe(scorer: RougeNovelty) -> Recipe:
    return Recipe("tasks", Tasks(), score={"seen": scorer}, keep=(Novel(),))


def outcomes(folder: Path) -> list[Outcome]:
    return [outcome for _, outcome in outcomes_of(folder_of(folder, "score-seen"))]


def test_run_scores_all_parts_together(tmp_path: Path) -> None:
    novelty_recipe = recipe(RougeNovelty())
    run(novelty_recipe, tmp_path / "run")
    generated = samples_of(folder_of(tmp_path / "run", "generate"))
    expected = list(RougeNovelty().score(generated, tiny_lab()))
    assert outcomes(tmp_path / "run") == expected
    assert isinstance(expected[149], Score)
    nearest = expected[149].reason.split()[-1]
    assert nearest in {sample.id for sample in generated[:64]}  # of another part
    # A part that is lost is scored as it was, which needs the others.
    (folder_of(tmp_path / "run", "score-seen") / "part-00002.parquet").unlink()
    run(novelty_recipe, tmp_path / "run")
    assert outcomes(tmp_path / "run") == expected
    explanation = explain_sample(tmp_path / "run", generated[149].id)
    assert re.search(r"\binstruction\b.*\b0\.7", explanation["decision"]["rule"])
    assert explanation["outcomes"]["seen"].endswith(f"{nearest})")


def test_changed_file_is_rescored(tmp_path: Path) -> None:
    novelty_recipe = recipe(RougeNovelty(against=write_texts(tmp_path, "Write 3 lines on a3 and b3 for c0.")))
    run(novelty_recipe, tmp_path / "run")
    first = outcomes(tmp_path / "run")
    assert score_of(first[3], "written.txt:1") == (1.0, {"shared": 9, "words": 9, "nearest_words": 9})
    write_texts(tmp_path, "Nothing of the kind.")
    result = run(novelty_recipe, tmp_path / "run")
    assert "score-seen" in result.executed
    assert "generate" not in result.executed
    assert parse(read(str(tmp_path / "run" / "recipe.yaml"))) == novelty_recipe
    assert "use: Texts" in dump(novelty_recipe)
