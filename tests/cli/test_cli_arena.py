"""assay arena through the real command line."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest

from command_line import called, error_message
from shared_data import shared
from vote_examples import counted_out, drawn_votes

WORDS = {1.0: "model_a", 0.0: "model_b", 0.5: "tie"}


@pytest.fixture
def voted(tmp_path: Path) -> Path:
    cast = drawn_votes(4, 300, 1)
    rows = zip(cast.first, cast.second, cast.outcome, strict=True)
    lines = [f"{cast.models[a]},{cast.models[b]},{WORDS[y]}" for a, b, y in rows]
    path = tmp_path / "votes.csv"
    path.write_text("model_a,model_b,winner\n" + "\n".join(lines), encoding="utf-8")
    return path


def rank(*words: object) -> str:
    done = called(["arena", "rank", *words])
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_leaderboard_says_rank_rating_and_interval(voted: Path) -> None:
    said = rank(voted, "--bootstrap", 100)
    assert "300 votes on 4 models by Bradley-Terry; a tie counts as half a win." in said
    assert "Intervals at 95% by 100 bootstrap resamples, seed 0." in said
    assert "A difference of 400 corresponds to odds of 10:1; the mean rating is 1,000." in said
    assert all(word in said for word in ("rank", "model", "rating", "95% CI", "votes", "win rate", "m0", "m3"))
    found = json.loads(rank(voted, "--bootstrap", 100, "--json"))
    assert found["votes"] == 300
    ratings = [one["rating"]["estimate"] for one in found["models"]]
    assert ratings == sorted(ratings, reverse=True)
    assert np.mean(ratings) == pytest.approx(1000)
    assert found["options"] == {"ties": "half", "prior": 0, "mean": 1000, "anchor": None, "weight": None} | {
        "bootstrap": 100, "seed": 0, "level": 0.95}  # fmt: skip
    assert sum(one["strength"] for one in found["models"]) == pytest.approx(1)
    assert all(one["rating"]["low"] < one["rating"]["estimate"] < one["rating"]["high"] for one in found["models"])


def test_options_reach_the_numbers(voted: Path) -> None:
    anchored = json.loads(rank(voted, "--bootstrap", 0, "--anchor", "m1", "--mean", 1114, "--json"))
    assert {one["model"]: one["rating"]["low"] for one in anchored["models"]}["m1"] == 1114
    said = rank(voted, "--bootstrap", 0, "--anchor", "m1", "--mean", 1114, "--level", 0.9)
    assert "Intervals at 90% by the sandwich estimator." in said
    assert "odds of 10:1; 'm1' is fixed at 1,114; intervals are for the difference to it." in said
    assert next(line for line in said.splitlines() if " m1 " in line).split()[2:4] == ["1,114", "anchor"]
    davidson = json.loads(rank(voted, "--ties", "davidson", "--bootstrap", 0, "--json"))
    assert davidson["tie"] > 0
    assert "tie probability of equal models" in rank(voted, "--ties", "davidson", "--bootstrap", 0)
    elo = json.loads(rank(voted, "--method", "elo", "--k", 32, "--bootstrap", 50, "--json"))
    assert elo["method"] == "elo"
    assert elo["models"][0]["strength"] is None
    said = rank(voted, "--method", "elo", "--bootstrap", 0)
    assert "300 votes on 4 models by Elo, K = 4, initial rating 1,000, in file order." in said
    assert "No intervals." in said
    assert elo["options"]["k"] == 32
    assert "prior" not in elo["options"]


def test_a_control_is_told_with_its_interval(tmp_path: Path) -> None:
    rows = [
        {"model_a": a, "model_b": b, "winner": WORDS[y], "longer": x, "weight": 1.5}
        for a, b, y, x in zip(*counted_out(), strict=True)
    ]
    path = tmp_path / "votes.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    words = (path, "--control", "longer", "--weight", "weight", "--bootstrap", 0)
    said = rank(*words)
    assert "longer: +1.029 (" in said
    assert "change of the log-odds of winning per root mean square of the difference" in said
    assert "votes weighted by weight, controlled for longer" in said
    control = json.loads(rank(*words, "--json"))["controls"][0]
    assert control["estimate"] == pytest.approx(1.0288214287105657)
    assert control["low"] < control["estimate"] < control["high"]


def test_published_strengths_of_llmfao_come_out_of_the_file_as_it_lies() -> None:
    folder = shared("llmfao-votes.csv", "llmfao-bradley-terry.csv")
    found = json.loads(rank(folder / "llmfao-votes.csv", "--bootstrap", 0, "--json"))
    ours = {one["model"]: one["strength"] for one in found["models"]}
    with (folder / "llmfao-bradley-terry.csv").open(encoding="utf-8") as file:
        published = {row["item"]: float(row["bradley_terry"]) for row in csv.DictReader(file)}
    assert ours.keys() == published.keys()
    assert all(abs(ours[name] - value) < 1e-9 for name, value in published.items())


@pytest.mark.parametrize(
    ("text", "words", "place"),
    [
        ("model_a,model_b,winner\nx,y,z\n", [], "line 2: "),
        ("model_a,model_b,winner\nx,y,x\n", [], "'x'"),
        ("model_a,model_b,winner\nx,y,x\n", [], "use --prior 0.1"),
        ("model_a,model_b,winner\nx,y,tie\nv,w,tie\n", [], "2 groups"),
        ("model_a,model_b,winner\nx,y,tie\n", ["--ties", "davidson"], "Davidson"),
        ("model_a,model_b,winner\nx,y,tie\n", ["--anchor", "z"], "'z'"),
        ("model_a,model_b,winner\nx,y,tie\n", ["--method", "elo", "--prior", "1"], "--method bradley-terry"),
        ("model_a,model_b,winner\nx,y,tie\nx,y,x\n", ["--bootstrap", "1"], "had 1"),
        ("model_a,model_b,winner\nx,y,tie\n", ["--level", "95"], "95"),
        ("model_a,model_b,winner\nx,y,tie\n", ["--prior", "nan"], "prior"),
        ("model_a,model_b,winner\nx,y,tie\n", ["--prior", "inf"], "prior"),
        ("model_a,model_b,winner\nx,y,tie\n", ["--mean", "nan"], "mean"),
        ("model_a,model_b,winner\nx,y,tie\n", ["--method", "elo", "--mean", "inf"], "start"),
        ("model_a,model_b,winner\nx,y,tie\n", ["--method", "elo", "--k", "inf"], "k must"),
    ],
)
def test_mistakes_are_told_in_one_message(tmp_path: Path, text: str, words: list[str], place: str) -> None:
    (tmp_path / "votes.csv").write_text(text, encoding="utf-8")
    assert place in error_message(["arena", "rank", tmp_path / "votes.csv", *words])


def test_a_prior_ranks_what_cannot_be_ranked_without(tmp_path: Path) -> None:
    (tmp_path / "votes.csv").write_text("model_a,model_b,winner\nx,y,x\ny,z,y\n", encoding="utf-8")
    found = json.loads(rank(tmp_path / "votes.csv", "--prior", 0.1, "--bootstrap", 20, "--json"))
    assert [one["model"] for one in found["models"]] == ["x", "y", "z"]


def test_few_votes_are_told_and_one_is_one(tmp_path: Path) -> None:
    """Three draws resampled are three draws: an interval of no width that no one should believe."""
    (tmp_path / "votes.csv").write_text("model_a,model_b,winner\n가,나,tie\n", encoding="utf-8")
    said = rank(tmp_path / "votes.csv", "--bootstrap", 20)
    assert "1 vote on 2 models" in said
    assert "Fewer than 10 votes on '가', '나': their intervals are unreliable." in said
    assert "A rank such as 1-2 is the range compatible with the intervals." in said
