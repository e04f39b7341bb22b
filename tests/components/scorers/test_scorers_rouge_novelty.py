"""How like a text is to those before it, in one call and in a run of several parts."""

from __future__ import annotations

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


def written(folder: Path, *tasks: str) -> Texts:
    path = folder / "written.txt"
    path.write_text("\n".join(tasks), encoding="utf-8")
    return Texts(str(path))


def test_the_highest_f_and_whose_it_is() -> None:
    given = samples(*TASKS)
    first, second, none, near, far = RougeNovelty().score(given, tiny_lab())
    assert first == Score(0.0, "nothing before it shares a word", {"shared": 0, "words": 6})
    assert second == Score(0.0, "nothing before it shares a word", {"shared": 0, "words": 3})
    assert none == Unscored("not_applicable", "The text has no words that ROUGE could compare.")
    assert near == Score(rouge_f1(6, 7, 6), f"most like {given[0].id}", {"shared": 6, "words": 7, "nearest_words": 6})
    assert far == Score(0.4, f"most like {given[1].id}", {"shared": 1, "words": 2, "nearest_words": 3})


def test_tasks_that_people_wrote_come_before_all(tmp_path: Path) -> None:
    source = written(tmp_path, "Name four fruits.", "Write a poem about the sea!")
    both = RougeNovelty(against=source).score(samples(*TASKS), tiny_lab())
    assert both[0] == Score(1.0, "most like given written.txt:2", {"shared": 6, "words": 6, "nearest_words": 6})
    alone = RougeNovelty(against=source, before=False).score(samples(*TASKS), tiny_lab())
    assert alone[3] == Score(
        rouge_f1(6, 7, 6), "most like given written.txt:2", {"shared": 6, "words": 7, "nearest_words": 6}
    )
    assert [RougeNovelty(against=source).whole, RougeNovelty(against=source, before=False).whole] == [True, False]


def test_mistakes_are_told(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"RougeNovelty.against"):
        RougeNovelty(before=False)
    with pytest.raises(FieldError, match="'instruction'"):
        RougeNovelty().score([Sample({"text": "a"})], tiny_lab())
    with raises(SourceError, path=str(tmp_path / "nowhere.txt")):
        RougeNovelty(against=Texts(str(tmp_path / "nowhere.txt"))).score([], tiny_lab())


def test_a_source_within_a_component_is_written_and_read_as_any_other() -> None:
    scorer = RougeNovelty(against=Texts("seeds.jsonl", limit=3))
    spec = describe(scorer)
    assert spec["against"] == {"use": "Texts", "path": "seeds.jsonl", "field": "instruction", "limit": 3}
    assert build("scorers", spec, "score.new") == scorer
    for wrong, told in (
        ({"use": "Txts", "path": "a.txt"}, "Did you mean 'Texts'"),
        ({"use": "Texts"}, r"score.new.against: Texts needs 'path'"),
        ("seeds.jsonl", r"score.new.against must be a mapping with 'use: NAME'"),
        ({"use": "Novel"}, "filters"),
    ):
        with pytest.raises(RecipeError, match=told):
            build("scorers", spec | {"against": wrong}, "score.new")


@dataclass(frozen=True)
class Tasks:
    """Instructions of a few words, many alike: three parts of them."""

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


def test_a_run_scores_its_parts_as_one_and_says_why(tmp_path: Path) -> None:
    what = recipe(RougeNovelty())
    run(what, tmp_path / "run")
    made = samples_of(folder_of(tmp_path / "run", "generate"))
    expected = list(RougeNovelty().score(made, tiny_lab()))
    assert outcomes(tmp_path / "run") == expected
    assert isinstance(expected[149], Score)
    nearest = expected[149].reason.removeprefix("most like ")
    assert nearest in {sample.id for sample in made[:64]}  # of another part
    # A part that is lost is scored as it was, which needs the others.
    (folder_of(tmp_path / "run", "score-seen") / "part-00002.parquet").unlink()
    run(what, tmp_path / "run")
    assert outcomes(tmp_path / "run") == expected
    told = explain_sample(tmp_path / "run", made[149].id)
    assert told["decision"]["rule"] == "ROUGE-L F of instruction with all kept before <= 0.7"
    assert told["decision"]["reason"].startswith("like ")
    assert told["outcomes"]["seen"].endswith(f"(most like {nearest})")


def test_another_content_of_the_file_is_scored_again(tmp_path: Path) -> None:
    what = recipe(RougeNovelty(against=written(tmp_path, "Write 3 lines on a3 and b3 for c0.")))
    run(what, tmp_path / "run")
    first = outcomes(tmp_path / "run")
    assert first[3] == Score(1.0, "most like given written.txt:1", {"shared": 9, "words": 9, "nearest_words": 9})
    written(tmp_path, "Nothing of the kind.")
    said = run(what, tmp_path / "run")
    assert "score-seen" in said.executed
    assert "generate" not in said.executed
    assert parse(read(str(tmp_path / "run" / "recipe.yaml"))) == what
    assert "use: Texts" in dump(what)
