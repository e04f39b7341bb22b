"""assay arena through the real command line."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path

import click
import numpy as np
import pytest

from command_line import called, usage_error, user_error
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
    result = called(["arena", "rank", *words])
    assert result.returncode == 0, result.stderr
    return result.stdout


def head_of(printed: str) -> str:
    """What is printed before the table."""
    return printed.partition("\n\n")[0]


def numbers_of(printed: str) -> list[str]:
    return re.findall(r"\d+(?:,\d+)*%?", head_of(printed))


def row_of(printed: str, model: str) -> list[str]:
    return next(line for line in printed.splitlines() if f" {model} " in line).split()


def test_a_leaderboard_has_rank_rating_and_interval(voted: Path) -> None:
    printed = rank(voted, "--bootstrap", 100)
    assert numbers_of(printed) == ["300", "4", "400", "10", "1", "1,000", "95%", "100", "0"]
    assert all(word in printed for word in ("rank", "model", "rating", "95% CI", "votes", "win rate", "m0", "m3"))
    board = json.loads(rank(voted, "--bootstrap", 100, "--json"))
    assert board["votes"] == 300
    ratings = [model["rating"]["estimate"] for model in board["models"]]
    assert ratings == sorted(ratings, reverse=True)
    assert np.mean(ratings) == pytest.approx(1000)
    assert board["options"] == {"ties": "half", "prior": 0, "mean": 1000, "anchor": None, "weight": None} | {
        "bootstrap": 100, "seed": 0, "level": 0.95}  # fmt: skip
    assert sum(model["strength"] for model in board["models"]) == pytest.approx(1)
    assert all(
        model["rating"]["low"] < model["rating"]["estimate"] < model["rating"]["high"] for model in board["models"]
    )


def test_options_change_the_ratings(voted: Path) -> None:
    anchored = json.loads(rank(voted, "--bootstrap", 0, "--anchor", "m1", "--mean", 1114, "--json"))
    assert {model["model"]: model["rating"]["low"] for model in anchored["models"]}["m1"] == 1114
    printed = rank(voted, "--bootstrap", 0, "--anchor", "m1", "--mean", 1114, "--level", 0.9)
    assert "'m1'" in head_of(printed)
    assert numbers_of(printed) == ["300", "4", "400", "10", "1", "1", "1,114", "90%"]
    assert "sandwich" in head_of(printed)
    assert "90% CI" in printed
    assert row_of(printed, "m1")[2:4] == ["1,114", "anchor"]
    davidson = json.loads(rank(voted, "--ties", "davidson", "--bootstrap", 0, "--json"))
    assert davidson["tie"] > 0
    percent = f"{100 * davidson['tie'] / (2 + davidson['tie']):.0f}%"
    assert percent in head_of(rank(voted, "--ties", "davidson", "--bootstrap", 0))
    elo = json.loads(rank(voted, "--method", "elo", "--k", 32, "--bootstrap", 50, "--json"))
    assert elo["method"] == "elo"
    assert elo["models"][0]["strength"] is None
    printed = rank(voted, "--method", "elo", "--bootstrap", 0)
    assert numbers_of(printed) == ["300", "4", "4", "1,000"]
    assert "K = 4" in head_of(printed)
    assert row_of(printed, "m1")[3] == "none"
    assert elo["options"]["k"] == 32
    assert "prior" not in elo["options"]


def test_a_control_has_an_effect_with_an_interval(tmp_path: Path) -> None:
    rows = [
        {"model_a": a, "model_b": b, "winner": WORDS[y], "longer": x, "weight": 1.5}
        for a, b, y, x in zip(*counted_out(), strict=True)
    ]
    path = tmp_path / "votes.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    words = (path, "--control", "longer", "--weight", "weight", "--bootstrap", 0)
    board = json.loads(rank(*words, "--json"))
    (control,) = board["controls"]
    assert control["name"] == "longer"
    assert control["estimate"] == pytest.approx(1.0288214287105657)
    assert control["low"] < control["estimate"] < control["high"]
    assert board["options"]["weight"] == "weight"
    printed = rank(*words)
    assert f"longer: +1.029 ({control['low']:.3f} to {control['high']:.3f})" in printed
    assert re.search(r"\bweight\b.*\blonger\b", head_of(printed))


def test_published_strengths_of_llmfao_are_reproduced() -> None:
    folder = shared("llmfao-votes.csv", "llmfao-bradley-terry.csv")
    board = json.loads(rank(folder / "llmfao-votes.csv", "--bootstrap", 0, "--json"))
    ours = {model["model"]: model["strength"] for model in board["models"]}
    with (folder / "llmfao-bradley-terry.csv").open(encoding="utf-8") as file:
        published = {row["item"]: float(row["bradley_terry"]) for row in csv.DictReader(file)}
    assert ours.keys() == published.keys()
    assert all(abs(ours[name] - value) < 1e-9 for name, value in published.items())


@pytest.mark.parametrize(
    ("text", "words", "code", "value"),
    [
        ("x,y,z\n", [], "source", "line 2: "),
        ("x,y,x\n", [], "user", "'x'"),
        ("x,y,x\n", [], "user", "--prior 0.1"),
        ("x,y,tie\nv,w,tie\n", [], "user", "'v', 'w' and 'x', 'y'"),
        ("x,y,tie\n", ["--ties", "davidson"], "user", "Davidson"),
        ("x,y,tie\n", ["--anchor", "z"], "user", "'z'"),
        ("x,y,tie\n", ["--method", "elo", "--prior", "1"], "user", "--method bradley-terry"),
        ("x,y,tie\nx,y,x\n", ["--bootstrap", "1"], "user", "had 1"),
        ("x,y,tie\n", ["--prior", "nan"], "user", "prior"),
        ("x,y,tie\n", ["--prior", "inf"], "user", "prior"),
        ("x,y,tie\n", ["--mean", "nan"], "user", "mean"),
        ("x,y,tie\n", ["--method", "elo", "--mean", "inf"], "user", "start"),
        ("x,y,tie\n", ["--method", "elo", "--k", "inf"], "user", "k must"),
    ],
)
def test_mistakes_are_user_errors(tmp_path: Path, text: str, words: list[str], code: str, value: str) -> None:
    (tmp_path / "votes.csv").write_text(f"model_a,model_b,winner\n{text}", encoding="utf-8")
    error = user_error(["arena", "rank", tmp_path / "votes.csv", *words])
    assert error.code == code
    assert value in str(error)


def test_a_level_is_below_1(tmp_path: Path) -> None:
    error = usage_error(["arena", "rank", tmp_path / "votes.csv", "--level", "95"])
    assert isinstance(error, click.BadParameter)
    assert error.param is not None
    assert error.param.name == "level"


def test_a_prior_ranks_models_without_finite_strengths(tmp_path: Path) -> None:
    (tmp_path / "votes.csv").write_text("model_a,model_b,winner\nx,y,x\ny,z,y\n", encoding="utf-8")
    board = json.loads(rank(tmp_path / "votes.csv", "--prior", 0.1, "--bootstrap", 20, "--json"))
    assert [model["model"] for model in board["models"]] == ["x", "y", "z"]
