"""Statistics of preference pairs with known lengths, duplicates, contradictions and rankers."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from assay.components.filters.clear_preference import ClearPreference
from assay.components.generators.preferences import Preferences
from assay.components.scorers.language_model.pair_judge import PairJudge
from assay.components.scorers.reference.metrics import EmbeddingCosine
from assay.core.errors import FieldError
from assay.core.recipe import Recipe
from assay.pipeline.lineage.models_used import models_in
from assay.pipeline.recipe.spec import describe
from assay.report.api import report
from assay.stats.ratings.preferences import label_noise
from assay.text.prompting.rankings import pairwise, pointwise, write_rankings
from page_parts import CHROMIUM, HOSTILE, fits, shot, stands_alone
from preference_parts import Prompts, voices
from run_parts import run
from task_parts import Tasks, task, write_tasks

KEEP = (ClearPreference(),)
SECTION = '<section id="preference_pairs"'
WARNING = '<li><b class="warning">'


def pair(prompt: str, chosen: str, rejected: str, verdict: str = "", **more: str) -> dict[str, str]:
    answers = {"chosen": chosen, "rejected": rejected, "verdict": verdict, "margin": "", "rankings": ""}
    names = {"chosen_from": "large", "rejected_from": "small", "chosen_whole": "yes", "rejected_whole": "yes"}
    return {**task(prompt, ""), **answers, **names, **more}


def reported(tmp_path: Path, rows: Sequence[dict[str, str]], keep: Any = KEEP) -> tuple[Any, str]:
    tasks = write_tasks(tmp_path / "pairs.jsonl", rows)
    run(Recipe("pairs", Tasks(str(tasks)), keep=keep), tmp_path / "run")
    report(tmp_path / "run")
    data = json.loads((tmp_path / "run" / "results.json").read_text(encoding="utf-8"))["preference_pairs"]
    return data, (tmp_path / "run" / "report.html").read_text(encoding="utf-8").partition("</style>")[2]


def ranked(near: float, judge: float, orders: tuple[float, float] | None = None) -> str:
    return write_rankings({"near": pointwise(near, 0.5), "judge": pairwise(judge, orders)})


def test_length_that_predicts_the_chosen_answer_is_a_length_bias(tmp_path: Path) -> None:
    rows = [pair(f"Say {nth}.", "a b c d", "a b") for nth in range(30)]
    data, page = reported(tmp_path, rows)
    assert (data["made"], data["kept"], data["verdicts"]) == (30, 30, {})
    for unit, chosen, rejected in (("words", 4, 2), ("characters", 7, 3)):
        assert (data["lengths"][unit]["chosen"], data["lengths"][unit]["rejected"]) == (chosen, rejected)
        assert data["lengths"][unit]["predicts"]["estimate"] == 1
    assert data["length_biased"]
    assert WARNING in page
    assert "✓ a b c d\n\n✗ a b" in page


def test_length_that_predicts_nothing_is_no_length_bias(tmp_path: Path) -> None:
    rows = [pair(f"Say {nth}.", *(("a b", "a") if nth % 2 else ("a", "a b"))) for nth in range(40)]
    data, page = reported(tmp_path, rows)
    assert data["lengths"]["words"]["longer_chosen"]["estimate"] == 0.5
    assert not data["length_biased"]
    assert WARNING not in page


def test_contradictions_duplicates_and_truncated_answers_are_counted(tmp_path: Path) -> None:
    rows = [pair("Say so.", "a", "b"), pair("Say so.", "b", "a"), pair("Say so.", "c", "d"), pair("Say so.", "c", " d")]
    rows += [pair("Say it.", "a", "b", chosen_whole="no"), pair("Go.", "a", "a", "equal")]
    data, page = reported(tmp_path, rows)
    assert data["doubled"] == {"prompts": 2, "most": 4, "repeated": 1, "turned": 2}
    assert data["cut"] == 1
    assert (data["kept"], data["verdicts"]) == (5, {"equal": 1})
    assert page.count(WARNING) == 3 + data["length_biased"]


def test_rankers_without_agreement_are_reported_with_win_rates_of_the_models(tmp_path: Path) -> None:
    rng = np.random.default_rng(5)
    rows = []
    for nth in range(60):
        near, judge = rng.choice([0.2, 0.9]), float(rng.choice([0.0, 1.0]))
        agree = (near > 0.5) == (judge > 0.5)
        texts = [f"answer {rng.integers(10**6)}" for _ in range(2)]
        rows.append(
            pair(f"Say {nth}.", *texts, "" if agree else "conflict", rankings=ranked(near, judge, (judge, judge)))
        )
    data, page = reported(tmp_path, rows)
    (agreement,) = data["agreements"]
    conflicts = data["verdicts"]["conflict"]
    assert agreement["pairs"] == 60
    assert agreement["same"]["estimate"] == pytest.approx(1 - conflicts / 60)
    assert abs(agreement["kappa"]) < 0.3
    assert data["alpha"] is not None
    assert [(pair["one"], pair["other"]) for pair in data["disagreeing"]] == [("near", "judge")]
    assert WARNING in page
    (consistency,) = data["orders"]
    assert (consistency["judge"], consistency["same"]["estimate"]) == ("judge", 1)
    large, small = data["wins"]
    assert (large["name"], large["won"], large["tied"]) == ("large", 60 - conflicts, conflicts)
    assert small["lost"] == large["won"]


def test_accuracy_of_rankers_follows_from_their_agreement(tmp_path: Path) -> None:
    rows = []
    for nth in range(50):
        better = float(nth % 10 > 0)
        agreed = ranked(0.9, better)
        rows.append(pair(f"Say {nth}.", f"yes {nth}", f"no {nth}", "" if better else "conflict", rankings=agreed))
    data, page = reported(tmp_path, rows)
    (agreement,) = data["agreements"]
    assert agreement["decided"]["estimate"] == pytest.approx(0.9)
    from assay.stats.inference.intervals import wilson

    expected = label_noise(wilson(45, 50))
    assert expected is not None
    assert agreement["noise"]["right"] == pytest.approx(expected.right)
    assert data["disagreeing"] == []
    assert "Dawid and Skene 1979" in page


def test_pairs_without_names_and_rankings_have_lengths_only(tmp_path: Path) -> None:
    rows = [{**task(f"Say {nth}.", ""), "chosen": "네 그렇습니다", "rejected": "아니요"} for nth in range(5)]
    data, page = reported(tmp_path, rows)
    assert (data["agreements"], data["orders"], data["wins"], data["alpha"]) == ([], [], [], None)
    assert data["lengths"]["words"]["chosen"] == 6
    assert "Dawid and Skene 1979" not in page


def test_without_usable_pairs_only_the_verdicts_are_counted(tmp_path: Path) -> None:
    data, page = reported(tmp_path, [pair("Say so.", "a", "b", "tie"), pair("Say so.", "a", "", "missing")])
    assert (data["kept"], data["lengths"], data["doubled"]) == (0, {}, None)
    assert data["verdicts"] == {"tie": 1, "missing": 1}
    assert SECTION in page


def test_other_samples_have_no_section(tmp_path: Path) -> None:
    data, page = reported(tmp_path, [task("Say so.", "So.")], ())
    assert data is None
    assert SECTION not in page


def test_an_error_in_rankings_names_the_pair(tmp_path: Path) -> None:
    with pytest.raises(FieldError, match=r"[0-9a-f]{16}"):
        reported(tmp_path, [pair("Say so.", "a", "b", rankings="[]")])


def test_every_model_that_answered_or_ranked_is_listed() -> None:
    answerers = voices("a b", "c")
    generator = Preferences(
        Prompts(), answerers, {"near": EmbeddingCosine("tiny:letters")}, {"judge": PairJudge("tiny:judge")}
    )
    assert dict(models_in(describe(generator))) == {
        "a": "says:a b",
        "b": "says:c",
        "near": "tiny:letters",
        "judge": "tiny:judge",
    }
    assert list(models_in(describe(PairJudge("tiny:judge")))) == [("", "tiny:judge")]
    assert list(models_in(describe(ClearPreference()))) == []


def random_pairs() -> list[dict[str, str]]:
    rng = np.random.default_rng(2)
    rows = []
    for nth in range(80):
        length, names = rng.integers(2, 30, 2), rng.permutation(["large", "small", "polite"])[:2]
        better = float(rng.random() < 0.8)
        rankings = ranked(0.9, better, (better, float(rng.random() < 0.8)))
        verdict = "" if better else str(rng.choice(["conflict", "tie"]))
        texts = [" ".join(["word"] * int(n) + [str(rng.integers(10**6))]) for n in (max(length), min(length))]
        row = pair(f"Say {nth // 2}. {HOSTILE}", *texts, verdict, rankings=rankings)
        rows.append({**row, "chosen_from": str(names[0]), "rejected_from": str(names[1])})
    return rows


@pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed")
@pytest.mark.parametrize("width", [1280, 420])
def test_the_page_fits_the_window(tmp_path: Path, width: int) -> None:
    reported(tmp_path, random_pairs())
    page = (tmp_path / "run" / "report.html").read_text(encoding="utf-8")
    stands_alone(page)
    fits(shot(tmp_path, page, width, 2600))
