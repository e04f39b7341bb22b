"""assay scale through the real command line."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from assay.stats.scaling.chinchilla import Chinchilla
from assay.stats.scaling.power_law import PowerLaw
from command_line import called, user_error


def test_a_table_of_accuracies(tmp_path: Path) -> None:
    truth = PowerLaw(0.05, 2.0, 0.5)
    rows = "\n".join(f"{size},{1 - float(truth(size))}" for size in (100, 200, 400, 800, 1600, 3200))
    (tmp_path / "points.csv").write_text("size,accuracy\n" + rows, encoding="utf-8")
    data = json.loads(called(["scale", tmp_path / "points.csv", "--json"]).stdout)
    assert data["needed"]["estimate"] == pytest.approx(1600, rel=0.05)
    assert data["more"]["estimate"] == 0
    assert data["floor"]["estimate"] == pytest.approx(0.05, abs=0.005)
    printed = called(["scale", tmp_path / "points.csv", "--target-accuracy", "0.99"]).stdout
    assert "never" in printed
    assert "6 measurements" in printed


def test_arms_of_a_table_are_worth_real_samples(tmp_path: Path) -> None:
    truth = PowerLaw(0.1, 3.0, 0.5)
    rows = [{"size": n, "loss": float(truth(n)), "arm": "real"} for n in (100, 400, 1600, 6400)]
    rows.append({"size": 5000, "loss": float(truth(1000)), "arm": "filtered"})
    (tmp_path / "points.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    data = json.loads(called(["scale", tmp_path / "points.jsonl", "--json"]).stdout)
    assert data["arm"] == "real"
    assert data["worth"]["filtered"]["estimate"] == pytest.approx(1000, rel=0.1)


@pytest.mark.full
@pytest.mark.parametrize(
    ("smoother", "fraction", "phrase"),
    [
        ([0.50, 0.62, 0.75, 0.87, 0.99], 0.12 / 0.49, "an artifact"),
        ([0.10, 0.11, 0.12, 0.95, 0.99], 0.83 / 0.89, "it too"),
        (None, None, "may be"),
    ],
)
def test_a_jump_is_compared_with_a_smoother_metric(
    tmp_path: Path, smoother: list[float] | None, fraction: float | None, phrase: str
) -> None:
    """The accuracy is near 0 up to a size of 4,000, and near 1 from 8,000 on."""
    rows = [
        {"size": 1000 * 2**nth, "accuracy": accuracy} | ({"smoother": smoother[nth]} if smoother else {})
        for nth, accuracy in enumerate([0.01, 0.02, 0.03, 0.90, 0.92])
    ]
    (tmp_path / "points.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    jump = json.loads(called(["scale", tmp_path / "points.jsonl", "--json"]).stdout)["jump"]
    assert jump["at"] == 4000
    assert jump["smooth_share"] == (None if fraction is None else pytest.approx(fraction))
    last = called(["scale", tmp_path / "points.jsonl"]).stdout.splitlines()[-1]
    assert "4,000" in last
    assert phrase in last


def test_chinchilla(tmp_path: Path) -> None:
    truth = Chinchilla(1.69, 406.4, 0.34, 410.7, 0.28)
    n, d = (part.ravel() for part in np.meshgrid(np.geomspace(7e7, 1.6e10, 5), np.geomspace(5e9, 5e11, 5)))
    rows = "\n".join(f"{a},{b},{c}" for a, b, c in zip(n, d, truth(n, d), strict=True))
    (tmp_path / "runs.csv").write_text("parameters,tokens,loss\n" + rows, encoding="utf-8")
    data = json.loads(called(["scale", tmp_path / "runs.csv", "--chinchilla", "--flops", "1e21", "--json"]).stdout)
    assert data["alpha"] == pytest.approx(0.34, rel=0.05)
    alpha = data["intervals"]["alpha"]
    assert alpha["low"] <= alpha["estimate"] <= alpha["high"]
    assert "optimal tokens" in called(["scale", tmp_path / "runs.csv", "--chinchilla", "--flops", "1e21"]).stdout
    assert 6 * data["best_split"]["parameters"] * data["best_split"]["tokens"] == pytest.approx(1e21)


@pytest.mark.parametrize(
    ("content", "code", "value"),
    [
        ("size,loss\n1,0.5\n2,0.4\n", "user", "got 2"),
        ("size,lost\n1,0.5\n", "field", "'accuracy'"),
        ("size,loss\n1,0.5\n2,nan\n3,0.1\n", "user", "finite"),
        ("size,accuracy\n1,50\n2,70\n3,80\n", "user", "got 50"),
        ("size,loss\n1,many\n", "user", "got 'many'"),
    ],
)
def test_mistakes_are_user_errors(tmp_path: Path, content: str, code: str, value: str) -> None:
    (tmp_path / "points.csv").write_text(content, encoding="utf-8")
    error = user_error(["scale", tmp_path / "points.csv"])
    assert error.code == code
    assert value in error.message


def test_too_few_sizes_hint_at_more_sizes_and_another_arm_at_the_nearest_name(tmp_path: Path) -> None:
    table = tmp_path / "points.csv"
    table.write_text("size,loss\n1,0.5\n2,0.4\n", encoding="utf-8")
    assert "prove.curve" in user_error(["scale", table]).hint
    table.write_text("size,loss,arm\n1,0.5,real\n2,0.4,real\n", encoding="utf-8")
    assert "'real'" in user_error(["scale", table, "--arm", "reel"]).hint
