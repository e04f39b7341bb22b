"""Facts of a run that never was, with numbers as a real one has them.

`python tests/report/report_example.py PAGE.html [helped|hurt|unclear]` writes its page, to look at.
"""

from __future__ import annotations

import sys
from io import BytesIO
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
from PIL import Image

from assay.report.facts import (
    Arm,
    Comparison,
    Confusion,
    Curve,
    DataSource,
    Expert,
    Funnel,
    LabelFunnel,
    ModelUsed,
    Origin,
    Picture,
    Pupil,
    ReportFacts,
    ScoreColumn,
    StageCost,
    Threshold,
)
from assay.report.page import render
from assay.stats import mcnemar, paired_bootstrap, wilson

LABELS = (
    "T-shirt/top", "trousers", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "ankle boot",
)  # fmt: skip
HARD = (0.82, 0.97, 0.79, 0.87, 0.8, 0.95, 0.64, 0.94, 0.97, 0.95)
N = 10_000
Outcome = Literal["helped", "hurt", "unclear"]
TRAINED_ON = {
    "real": "Real training photographs, as many as the filter kept.",
    "filtered": "Generated pictures that passed every filter.",
    "unfiltered": "All generated pictures.",
    "random-drop": "Generated pictures, as many as the filter kept, picked blindly.",
    "shuffled-labels": "The filtered pictures with their labels shuffled: the floor.",
}


def example(outcome: Outcome = "helped", seeds: int = 3) -> ReportFacts:
    """A whole run over ten kinds of clothes."""
    rng = np.random.default_rng(0)
    right = _answers(outcome, seeds, rng)
    pairs = [(a, b) for a, b in (("filtered", "random-drop"), ("filtered", "unfiltered"), ("filtered", "real"),
             ("filtered", "shuffled-labels")) if a in right and b in right]  # fmt: skip
    return ReportFacts(
        name="fashion",
        question="Does keeping only the generated pictures that pass our tests train a better classifier?",
        origin=_origin(),
        arms=tuple(_arm(name, answers, rng) for name, answers in right.items()),
        comparisons=tuple(_comparison(a, b, right) for a, b in pairs),
        funnel=_funnel(),
        scores=_scores(rng),
        pictures=_pictures(rng),
        expert=Expert("embedded:fashion-resnet50", _confusion(600, 0.93, rng), wilson(9231, N)),
        pupil=Pupil("filtered", _confusion(1000, 0.87, rng)),
        stages=_stages(),
        data=_data(),
        models=_models(),
        caveats=("The generator itself learnt from 50,000 real photographs, so its pictures did not come for free.",),
    )


def _answers(outcome: Outcome, seeds: int, rng: np.random.Generator) -> dict[str, npt.NDArray[np.bool_]]:
    gain = {"helped": 0.018, "hurt": -0.021, "unclear": 0.002}[outcome]
    base = np.repeat(HARD, N // 10) - 0.03
    easy = rng.beta(1.2, 0.18, N)
    chance = np.clip(0.55 * base + 0.45 * easy, 0, 1)
    levels = {"real": 0.035, "filtered": gain, "unfiltered": -0.004, "random-drop": 0.0}
    found = {
        name: rng.random((seeds, N)) < chance + shift + rng.normal(0, 0.002, (seeds, 1))
        for name, shift in levels.items()
    }
    return {**found, "shuffled-labels": rng.random((seeds, N)) < 0.101}


def _arm(name: str, right: npt.NDArray[np.bool_], rng: np.random.Generator) -> Arm:
    seeds = tuple(range(11, 11 + len(right)))
    hits = right.mean(0).reshape(10, -1)
    floor = 2.25 if name == "shuffled-labels" else 0.32
    steps = range(0, 1170, 30)
    return Arm(
        name=name,
        trained_on=TRAINED_ON[name],
        n_samples=6000 if name == "unfiltered" else 4812,
        steps=1170,
        seeds=seeds,
        accuracy=wilson(float(hits.sum()), N),
        seed_accuracies=tuple(float(share) for share in right.mean(1)),
        per_class=tuple((label, wilson(float(row.sum()), 1000)) for label, row in zip(LABELS, hits, strict=True)),
        history=tuple(
            Curve(
                seed, tuple((s, float(floor + (2.3 - floor) * np.exp(-s / 210) + rng.normal(0, 0.03))) for s in steps)
            )
            for seed in seeds
        ),
        seconds=41.5 + 3 * len(name),
    )


def _comparison(ours: str, theirs: str, right: dict[str, npt.NDArray[np.bool_]]) -> Comparison:
    exact = mcnemar(right[ours][0], right[theirs][0])
    difference = paired_bootstrap(right[ours], right[theirs], seed=5, resamples=2_000).effect
    return Comparison(ours, theirs, difference, exact.p, exact.ours_only, exact.theirs_only)


def _funnel() -> Funnel:
    kept = (470, 588, 441, 502, 436, 517, 288, 531, 560, 479)
    failed = (1, 0, 0, 0, 2, 0, 0, 0, 0, 1)
    rows = tuple(LabelFunnel(label, 600, k, 600 - k - f, f) for label, k, f in zip(LABELS, kept, failed, strict=True))
    dropped = {"clip-match below 0.5": 702, "expert disagrees": 390}
    dropped["near-duplicate"] = 6000 - sum(kept) - sum(failed) - sum(dropped.values())
    return Funnel(6000, sum(kept), dropped, {"black image": 3, "not a number": 1}, rows)


def _scores(rng: np.random.Generator) -> tuple[ScoreColumn, ...]:
    match = rng.beta(4, 0.7, 5996)
    score = rng.normal(0.81, 0.06, 5996)
    keep = np.isin(np.arange(5996), rng.choice(np.flatnonzero(match > 0.5), 4812, replace=False))
    return (
        ScoreColumn(
            "clip-match", "probability", tuple(match[keep].tolist()), tuple(match[~keep].tolist()), 0.0, 1.0,
            thresholds=(Threshold(0.5, "keep from here up"),), unscored={"failed": 2},
        ),
        ScoreColumn("clip-score", "2.5 cos", tuple(score[keep].tolist()), tuple(score[~keep].tolist()), 0.0, 2.5),
        ScoreColumn("judge", "stars", (), (), 1.0, 5.0, unscored={"not applicable": 5996}),
    )  # fmt: skip


def png(rng: np.random.Generator, kind: int, size: int = 28) -> bytes:
    """A grey blob, another for each label."""
    y, x = np.mgrid[-1 : 1 : size * 1j, -1 : 1 : size * 1j]
    body = (np.abs(x) ** (1 + kind % 3) * (1 + kind / 6) + np.abs(y) ** (1 + kind % 4) < 0.7).astype(float)
    grey = np.clip(body * rng.uniform(90, 220) + rng.normal(0, 14, (size, size)) * body, 0, 255).astype(np.uint8)
    file = BytesIO()
    Image.fromarray(grey).save(file, "PNG")
    return file.getvalue()


def _pictures(rng: np.random.Generator) -> tuple[Picture, ...]:
    found = []
    for kind, label in enumerate(LABELS):
        for nth in range(10):
            kept = nth < 6
            match = float(rng.uniform(0.7, 1) if kept else rng.uniform(0.05, 0.49))
            scores: tuple[tuple[str, float | str], ...] = (
                ("clip-match", match), ("clip-score", float(rng.normal(0.8, 0.05))),
                ("expert", "agrees" if kept else f"disagrees: {LABELS[(kind + 2) % 10]}"),
            )  # fmt: skip
            reason = "" if kept else f"{match:.3f} is below 0.5"
            prompt = f"a photo of a {'dark' if nth % 2 else 'light'} {label}"
            name = f"{rng.integers(2**62):016x}"
            found.append(
                Picture(name, png(rng, kind), label, prompt, kept, scores, "" if kept else "clip-match", reason)
            )
    return tuple(found)


def _confusion(each: int, skill: float, rng: np.random.Generator) -> Confusion:
    counts = []
    for row in range(10):
        others = rng.dirichlet(np.full(10, 0.35))
        others[row] = 0
        share = others / others.sum() * (1 - min(0.995, skill * HARD[row] / 0.89))
        share[row] = 1 - share.sum()
        counts.append(tuple(int(n) for n in rng.multinomial(each, share)))
    return Confusion(LABELS, LABELS, tuple(counts))


def _stages() -> tuple[StageCost, ...]:
    return (
        StageCost("generate", 251.3, 5996), StageCost("score clip-match", 8.4, 5996),
        StageCost("score expert", 21.9, 5996), StageCost("keep", 0.3, 5996),
        StageCost("train, 15 models", 246.0, 15, "models"), StageCost("prove", 38.2, 150_000, "answers"),
    )  # fmt: skip


def _data() -> tuple[DataSource, ...]:
    origin = "Debian package dataset-fashion-mnist 0.0~git20200523.55506a9-1"
    return (
        DataSource("Fashion-MNIST", "arm real: training photographs", origin, 4812, "3aede38d61863908ad78613f6a32ed27"),
        DataSource("Fashion-MNIST", "every accuracy: test photographs", origin, N, "346e55b948d973a97e58d2351dde16a4"),
    )


def _models() -> tuple[ModelUsed, ...]:
    return (
        ModelUsed("generator", "embedded:fashion-diffusion", "91c0ab", "8.8 million parameters, 15 steps, guidance 2"),
        ModelUsed("clip-match, clip-score", "embedded:fashion-clip", "77aa10"),
        ModelUsed("expert", "embedded:fashion-resnet50", "d01e55", "trained on 50,000 real photographs"),
    )


def _origin() -> Origin:
    recipe = "name: fashion\nseed: 7\ngenerate:\n  uses: Paint\n  model: embedded:fashion-diffusion\n  guidance: 2.0\n"
    versions = {
        "assay": "0.1.0",
        "torch": "2.13.0",
        "diffusers": "0.42.0",
        "transformers": "5.23.0",
        "python": "3.11.9",
    }
    return Origin(
        "assay run fashion", "runs/fashion-3f2a", "2025-11-03 14:07 UTC", 7, recipe, versions, "2 CPU cores, no GPU"
    )


if __name__ == "__main__":
    outcomes: dict[str, Outcome] = {"helped": "helped", "hurt": "hurt", "unclear": "unclear"}
    Path(sys.argv[1]).write_text(render(example(outcomes[(sys.argv[2:] or ["helped"])[0]])), encoding="utf-8")
