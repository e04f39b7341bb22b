"""Report data of a synthetic run with realistic numbers.

`python tests/report_example.py PAGE.html [helped|hurt|unclear]` writes its page.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
from PIL import Image

from assay.analysis.measures import ACCURACY, ProofMeasure
from assay.analysis.models.answers import ExampleAnswers, MeasureResult, PairwiseComparison
from assay.analysis.models.classifiers import (
    Confusion,
    LabelAgreement,
    ReferenceClassifier,
    ReferenceVsTrained,
    TrainedClassifier,
)
from assay.analysis.models.exchange_rate import CurveEstimate, ExchangeRate
from assay.analysis.models.ood_detection import ModelCalibration, OodDetection, OodInput, OodSet
from assay.analysis.models.training import (
    CurveLine,
    HeldOutPairs,
    RewardChange,
    RewardHacking,
    SideMetric,
    TrainingCurve,
    TrainingRecord,
)
from assay.analysis.proof import Arm, ArmComparison, LossCurve
from assay.analysis.provenance import (
    Cost,
    DataSource,
    ModelUsed,
    Reproduction,
    RunProvenance,
    StageCost,
    SyntheticFraction,
)
from assay.analysis.report_data import ReportData
from assay.analysis.samples.distances import DistributionDistance
from assay.analysis.samples.diversity import Diversity, TextSet
from assay.analysis.samples.examples import SampleExample
from assay.analysis.samples.funnel import Funnel, LabelFunnel
from assay.analysis.samples.preferences import PreferenceStatistics
from assay.analysis.samples.score_selection import ScorePairOverlap, ScoreSelection, SelectionByScore
from assay.analysis.samples.scores import AT_LEAST, ScoreColumn, ScoreThreshold, histogram, outside
from assay.core.effect import Effect
from assay.pipeline.stages.leakage import Leaks
from assay.report.page import render
from assay.stats import wilson
from assay.stats.confidence.calibration import calibration
from assay.stats.confidence.detection import detection
from assay.stats.confidence.risk_coverage import abstention_curve
from assay.stats.distributions.selection import SelectionOverlap
from assay.stats.inference.compare import compare
from assay.stats.inference.intervals import grouped_mean, grouped_proportion
from assay.stats.ratings.preferences import Side as Preferred
from assay.stats.ratings.preferences import agreements, duplication, length_statistics, win_records

KOREAN = "한국의 수도는 어디입니까?"
LABELS = (
    "T-shirt/top", "trousers", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "ankle boot",
)  # fmt: skip
HARD = (0.82, 0.97, 0.79, 0.87, 0.8, 0.95, 0.64, 0.94, 0.97, 0.95)
N = 10_000
Outcome = Literal["helped", "hurt", "unclear"]
TRAINED_ON = {
    "real": "Real training images, as many as the filter kept.",
    "filtered": "Generated images that passed every filter.",
    "unfiltered": "All generated images.",
    "random-subset": "Random generated images, as many as the filter kept.",
    "permuted-labels": "The filtered images with permuted labels: chance baseline.",
}


def example(outcome: Outcome = "helped", seeds: int = 3) -> ReportData:
    """Report data of a run with ten classes."""
    rng = np.random.default_rng(0)
    right = _answers(outcome, seeds, rng)
    pairs = [(a, b) for a, b in (("filtered", "random-subset"), ("filtered", "unfiltered"), ("filtered", "real"),
             ("filtered", "permuted-labels")) if a in right and b in right]  # fmt: skip
    return ReportData(
        name="fashion",
        question="Does keeping only the generated images that pass our tests train a better classifier?",
        reproduction=_reproduction(),
        arms=tuple(_arm(name, answers, rng) for name, answers in right.items()),
        comparisons=_comparisons(pairs, right),
        funnel=_funnel(),
        scores=_scores(rng),
        score_selection=_score_selection(),
        diversity=_diversity(),
        examples=_images(rng),
        reference_classifier=ReferenceClassifier(
            "embedded:fashion-resnet50", _confusion(600, 0.93, rng), wilson(9231, N)
        ),
        trained_classifier=TrainedClassifier("filtered", _confusion(1000, 0.87, rng)),
        ood_detection=_ood_detection(rng),
        calibration=_calibration(rng),
        reference_vs_trained=_reference_vs_trained(rng),
        label_agreement=tuple(
            LabelAgreement(
                label,
                wilson(560 - 20 * n, 600),
                LABELS[(n + 3) % 10],
                0.02 + n / 40,
                {"real": wilson(500 - 20 * n, 600), "filtered": wilson(590 - 20 * n, 600)},
            )
            for n, label in enumerate(LABELS)
        ),
        leakage=(Leaks("generate", 5_996, N, 0, 3, 0.999, ()), Leaks("real", 4_812, N, 2, None, 0.999, (("a", "b"),))),
        distribution_distance=_distances(),
        exchange_rate=_exchange_rate(),
        other_measures=_other_measures(),
        auxiliary_evaluation=_auxiliary(),
        pairwise_comparisons=_pairwise(),
        training=_training(),
        preference_pairs=_preference_pairs(),
        example_answers=(
            ExampleAnswers("a1b2", "Name a color.", "", "Red.", {"filtered": "Blue.", "random-subset": "(empty)"}),
            ExampleAnswers("c3d4", KOREAN, "한 낱말로.", "서울입니다.", {"filtered": "서울", "random-subset": "부산"}),
        ),
        cost=Cost(_stages()),
        provenance=RunProvenance(_data(), _models(), _synthetic()),
        caveats=("The generator itself learned from 50,000 real photographs, so its images did not come for free.",),
    )


def _preference_pairs() -> PreferenceStatistics:
    """Pairs of answers by two models, ranked by two rankers."""
    rng = np.random.default_rng(5)
    prompts = [f"p{nth // 3}" for nth in range(60)]
    sizes = rng.integers(5, 40, (2, 60))
    sides: list[Preferred] = ["first" if value else "second" for value in rng.random(60) < 0.5]
    other: list[Preferred] = [value if rng.random() < 0.8 else "tie" for value in sides]
    outcomes = [float(value) for value in rng.integers(0, 2, 60)]
    return PreferenceStatistics(
        made=90,
        kept=60,
        verdicts={"tie": 20, "conflict": 10},
        lengths={"words": length_statistics(sizes[0].tolist(), sizes[1].tolist(), prompts)},
        doubled=duplication([(prompt, nth, nth + 1) for nth, prompt in enumerate(prompts)]),
        cut=4,
        agreements=tuple(agreements({"likeness": sides, "judge": other}, prompts)),
        alpha=0.61,
        wins=tuple(win_records(["calm"] * 60, ["lively"] * 60, outcomes, prompts)),
    )


def _training() -> tuple[TrainingRecord, ...]:
    """A reward model, a training with reward hacking, and one with two seeds without a rise."""
    rng = np.random.default_rng(4)
    margins = rng.normal(1.1, 1.4, 120)
    prompts = [f"p{nth // 5}" for nth in range(120)]
    pairs = HeldOutPairs(
        pairs=120,
        prompts=24,
        accuracy_before=grouped_proportion([bool(margin > 0.9) for margin in margins], prompts),
        accuracy=grouped_proportion([bool(margin > 0) for margin in margins], prompts),
        margin=grouped_mean([float(margin) for margin in margins], prompts),
        rise=grouped_mean([float(margin) - 0.1 for margin in margins], prompts),
        calibration=calibration(np.stack([margins, np.zeros(120)], axis=1), [0] * 120, 10),
    )

    def line(name: str, low: float, high: float, seeds: int = 1, every: int = 1) -> TrainingCurve:
        steps = range(1, 41, every)
        lines = tuple(
            CurveLine(
                seed, tuple((n, low + (high - low) * n / 40 + float(rng.normal(0, 0.04 * abs(high)))) for n in steps)
            )
            for seed in range(seeds)
        )
        return TrainingCurve(name, lines)

    rose = Effect(1.9, 1.4, 2.4, 16, 0.95, "linear fit over the steps")
    flat = Effect(0.1, -0.4, 0.6, 32, 0.95, "linear fit over the steps")
    rewards = RewardChange(
        24,
        grouped_mean([0.4, 0.5, 0.3], "abc"),
        grouped_mean([0.4, 0.6, 0.5], "abc"),
        grouped_mean([0.0, 0.1, 0.2], "abc"),
    )
    sides = (SideMetric("rouge (monitored in training)", "hurt"), SideMetric("cosine", "no significant difference"))
    return (
        TrainingRecord(
            "reward", "RewardModel", False, (line("accuracy", 0.5, 0.8), line("held-out margin", 0, 1.1, 1, 8)), pairs
        ),
        TrainingRecord(
            "ppo",
            "PPO",
            True,
            (
                line("reward", -1.2, 0.7),
                line("kl", 0, 3.1),
                line("length", 21, 44),
                line("watch rouge", 0.31, 0.22),
                line("entropy", 2.1, 1.6),
            ),
            held_out_rewards=replace(rewards, sampled=4),
            hacking=RewardHacking(rose, sides, rewards.rise),
        ),
        TrainingRecord(
            "grpo", "GRPO", True, (line("reward", 0.4, 0.42, 2),), None, rewards, RewardHacking(flat, (), rewards.rise)
        ),
    )


def _auxiliary() -> tuple[MeasureResult, ...]:
    """An evaluation on which the filtered arm is worse."""
    means = {"filtered": 0.31, "unfiltered": 0.42, "random-subset": 0.44}
    arms = {name: Effect(at, at - 0.1, at + 0.1, 60, 0.95, "wilson") for name, at in means.items()}
    pair = ArmComparison(
        "filtered", "random-subset", Effect(-0.13, -0.22, -0.04, 60, 0.95, "paired bootstrap"), 0.004, 0.008
    )
    return (MeasureResult(replace(ACCURACY, name="truthful"), arms, (pair,)),)


def _other_measures() -> tuple[MeasureResult, ...]:
    """A measure that is not a proportion, lower is better, and a measure without any score."""
    loss = ProofMeasure("answer loss", "nats a token", proportion=False, better="lower")
    means = {"filtered": 2.312, "unfiltered": 2.41, "random-subset": 2.408}
    arms = {name: Effect(at, at - 0.061, at + 0.059, 120, 0.95, "bootstrap") for name, at in means.items()}
    gap = Effect(-0.096, -0.14, -0.052, 120, 0.95, "paired bootstrap")
    pair = ArmComparison("filtered", "random-subset", gap, 0.0004, 0.0008, measure=loss)
    empty = MeasureResult(ProofMeasure("cosine", "cosine of embeddings", proportion=False), {}, (), 360)
    return MeasureResult(loss, arms, (pair,), 3), empty


def _pairwise() -> tuple[PairwiseComparison, ...]:
    wins, level = Effect(0.612, 0.55, 0.67, 118, 0.95, "bootstrap"), Effect(0.533, 0.46, 0.61, 118, 0.95, "bootstrap")
    return (
        PairwiseComparison("filtered", "random-subset", "embedded:smollm2", 118, wins, level, 0.21, 7, 34.5, 2),
        PairwiseComparison("unfiltered", "random-subset", "embedded:smollm2", 3, wilson(1.5, 3), None, None, 3, 0.0, 0),
    )


def _answers(outcome: Outcome, seeds: int, rng: np.random.Generator) -> dict[str, npt.NDArray[np.bool_]]:
    gain = {"helped": 0.018, "hurt": -0.021, "unclear": 0.002}[outcome]
    base = np.repeat(HARD, N // 10) - 0.03
    easy = rng.beta(1.2, 0.18, N)
    chance = np.clip(0.55 * base + 0.45 * easy, 0, 1)
    levels = {"real": 0.035, "filtered": gain, "unfiltered": -0.004, "random-subset": 0.0}
    right = {
        name: rng.random((seeds, N)) < chance + shift + rng.normal(0, 0.002, (seeds, 1))
        for name, shift in levels.items()
    }
    return {**right, "permuted-labels": rng.random((seeds, N)) < 0.101}


def _arm(name: str, right: npt.NDArray[np.bool_], rng: np.random.Generator) -> Arm:
    seeds = tuple(range(11, 11 + len(right)))
    hits = right.mean(0).reshape(10, -1)
    floor = 2.25 if name == "permuted-labels" else 0.32
    steps = range(0, 1170, 30)
    return Arm(
        name=name,
        trained_on=TRAINED_ON[name],
        n_samples=6000 if name == "unfiltered" else 4812,
        steps=1170,
        seeds=seeds,
        result=wilson(float(hits.sum()), N),
        seed_results=tuple(float(share) for share in right.mean(1)),
        per_class={label: wilson(float(row.sum()), 1000) for label, row in zip(LABELS, hits, strict=True)},
        history=tuple(
            LossCurve(
                seed, tuple((s, float(floor + (2.3 - floor) * np.exp(-s / 210) + rng.normal(0, 0.03))) for s in steps)
            )
            for seed in seeds
        ),
        seconds=41.5 + 3 * len(name),
    )


def _comparisons(pairs: list[tuple[str, str]], right: dict[str, npt.NDArray[np.bool_]]) -> tuple[ArmComparison, ...]:
    answers = [(right[ours].astype(float), right[theirs].astype(float)) for ours, theirs in pairs]
    results = compare(answers, [5] * len(pairs), resamples=2_000)
    return tuple(
        ArmComparison(
            ours, theirs, result.effect, result.p, result.adjusted_p, result.mcnemar.p, result.mcnemar.ours_only,
            result.mcnemar.theirs_only,
        )
        for (ours, theirs), result in zip(pairs, results, strict=True)
        if result.mcnemar is not None
    )  # fmt: skip


def _ood_detection(rng: np.random.Generator) -> tuple[OodDetection, ...]:
    in_distribution = rng.normal(3, 1, 2_000)
    sets = []
    for name, middle in (("Digits", 0.5), ("Noise", -4.0)):
        for nth, method in enumerate(("max-logit", "energy", "nearest", "vim")):
            ood = rng.normal(middle - nth / 4, 1, 200)
            scores = detection(in_distribution, ood)
            sets.append(OodSet(name, method, scores.auroc, scores.fpr, wilson(int((ood >= 1.4).sum()), 200)))
    examples = tuple(
        OodInput("Digits", png(rng, nth), f"digit {nth}", LABELS[nth], float(rng.uniform(0.4, 1)), nth % 3 == 0)
        for nth in range(8)
    )
    sure = {"known": 0.91, "Digits": 0.74, "Noise": 0.66}
    accepted = wilson(9_480, N)
    return (
        OodDetection(
            "filtered", "vim", 1.4, tuple(sets), accepted, wilson(8_700, N), wilson(8_400, 9_480), sure, examples
        ),
    )  # fmt: skip


def _calibration(rng: np.random.Generator) -> tuple[ModelCalibration, ...]:
    logits = rng.normal(0, 2, (2_000, 10))
    shares = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    targets = np.array([rng.choice(10, p=row) for row in shares])
    spared = abstention_curve(shares.max(axis=1), shares.argmax(axis=1) == targets)
    return (
        ModelCalibration("filtered", 2.5, calibration(logits * 2.5, targets), calibration(logits, targets), spared),
    )


def _reference_vs_trained(rng: np.random.Generator) -> ReferenceVsTrained:
    answers = _confusion(1000, 0.9, rng)
    per_class = {label: (wilson(950 - 9 * n, 1000), wilson(900 - 12 * n, 1000)) for n, label in enumerate(LABELS)}
    return ReferenceVsTrained(
        reference="embedded:fashion-resnet50", arm="filtered", both_correct=8_500, only_reference_correct=780,
        only_trained_correct=200, neither_correct=520, reference_accuracy=wilson(9_280, N),
        trained_accuracy=wilson(8_700, N),
        difference=Effect(0.058, 0.052, 0.064, N, 0.95, "paired bootstrap"), per_class=per_class, answers=answers,
        parameters={"reference": 1_480_000, "filtered": 11_170_000},
        microseconds={"reference": 900, "filtered": 1_300},
    )  # fmt: skip


def _exchange_rate() -> ExchangeRate:
    rate, worth = (CurveEstimate(v, v * 0.7, v * 1.6, 9, 0.95, "power law with a floor") for v in (0.34, 1_640.0))
    never = CurveEstimate(None, 42_000.0, None, 9, 0.95, "power law with a floor")
    stops = CurveEstimate(3_500.0, 2_900.0, 6_100.0, 9, 0.95, "power law with a floor")
    curve = ((200, 0.71), (600, 0.79), (2_000, 0.85))
    return ExchangeRate("filtered", 4_812, 0.84, worth, rate, 0.9, never, stops, curve, 0.11, 1.9, 0.42)


def _distances() -> tuple[DistributionDistance, ...]:
    distance = Effect(0.021, 0.014, 0.029, 500, 0.95, "KID, 30 subsets of 500")
    return (
        DistributionDistance("generated", 5_996, distance, 1.83, 1.21, 0.76, 1.0, 0.957, 0.031, 0.412),
        DistributionDistance("kept", 4_812, distance, 1.41, 1.33, 0.72, 1.0, 0.931, 0.027, 0.397),
        DistributionDistance("real training samples", 4_812, distance, 0.02, 1.01, 0.94, 1.0, 0.931, 0.004, None),
    )


def _funnel() -> Funnel:
    kept = (470, 588, 441, 502, 436, 517, 288, 531, 560, 479)
    failed = (1, 0, 0, 0, 2, 0, 0, 0, 0, 1)
    rows = tuple(LabelFunnel(label, 600, k, 600 - k - f, f) for label, k, f in zip(LABELS, kept, failed, strict=True))
    dropped = {"clip-match below 0.5": 702, "reference disagrees": 390}
    dropped["near-duplicate"] = 6000 - sum(kept) - sum(failed) - sum(dropped.values())
    return Funnel(6000, sum(kept), dropped, {"black image": 3, "not a number": 1}, rows, _rules())


def _rules() -> dict[str, dict[str, int]]:
    return {"clip-match below 0.5": {"match >= 0.5": 690, "match is unscored: drop": 12}}


def _scores(rng: np.random.Generator) -> tuple[ScoreColumn, ...]:
    lines = (ScoreThreshold(0.5, AT_LEAST),)
    match = rng.beta(4, 0.7, 5996)
    score = rng.normal(0.81, 0.06, 5996)
    keep = np.isin(np.arange(5996), rng.choice(np.flatnonzero(match > 0.5), 4812, replace=False))
    return (
        ScoreColumn(
            "clip-match", "probability", 4812, 5996 - 4812,
            histogram(match[keep].tolist(), match[~keep].tolist(), lines),
            0.0, 1.0, thresholds=lines, outside=outside(match.tolist(), lines), unscored={"failed": 2},
        ),
        ScoreColumn(
            "clip-score", "2.5 cos", 4812, 5996 - 4812, histogram(score[keep].tolist(), score[~keep].tolist()), 0.0, 2.5
        ),
        ScoreColumn("judge", "stars", 0, 0, None, 1.0, 5.0, unscored={"not applicable": 5996}),
    )  # fmt: skip


def _score_selection() -> ScoreSelection:
    rho = Effect(0.31, 0.287, 0.333, 5_994, 0.95, "spearman, Bonett and Wright")
    return ScoreSelection(
        samples=5_996,
        kept=4_812,
        scores=(
            SelectionByScore("clip-match", "higher", 4_812, 0, 1, 1, SelectionOverlap(0.931, 0.803), None),
            SelectionByScore("clip-score", "higher", 4_700, 112, 44, 12, SelectionOverlap(0.842, 0.803), None),
        ),
        pairs=(ScorePairOverlap("clip-match", "clip-score", SelectionOverlap(0.867, 0.803), rho),),
        left_out={"sharpness": "its scale has no better direction"},
    )  # fmt: skip


def _diversity() -> Diversity:
    names = ("verbs", "pairs", "words", "distinct_2", "clusters", "vendi")

    def text_set(name: str, n: int, *values: float, with_verb: int | None = None) -> TextSet:
        return TextSet(name, n, dict(zip(names, values, strict=False)), with_verb)

    return Diversity(
        text_field="instruction",
        sets=(
            text_set("generated", 5_996, 311, 2_204, 6_120, 0.41, 61.3, 48.2, with_verb=5_402),
            text_set("kept", 4_812, 309, 2_101, 6_004, 0.46, 63.9, 50.0, with_verb=4_390),
            text_set("random subsets", 4_812, 290, 1_911, 5_702, 0.43, 61.2, 48.1),
            text_set("real", 4_812, 280, 2_300, 5_900, 0.52),
        ),
        draws=40,
        spread=dict(zip(names, ((284, 297), (1_880, 1_950), (5_640, 5_770), (0.425, 0.436), (60, 62), (47, 50.5)),
                        strict=True)),
        column="place",
        clusters=100,
        verbs=(("write", 512, (("story", 61), ("poem", 44))), ("explain", 208, ())),
    )  # fmt: skip


def png(rng: np.random.Generator, kind: int, size: int = 28) -> bytes:
    """PNG of a gray shape that depends on the label."""
    y, x = np.mgrid[-1 : 1 : size * 1j, -1 : 1 : size * 1j]
    body = (np.abs(x) ** (1 + kind % 3) * (1 + kind / 6) + np.abs(y) ** (1 + kind % 4) < 0.7).astype(float)
    grey = np.clip(body * rng.uniform(90, 220) + rng.normal(0, 14, (size, size)) * body, 0, 255).astype(np.uint8)
    file = BytesIO()
    Image.fromarray(grey).save(file, "PNG")
    return file.getvalue()


def _images(rng: np.random.Generator) -> tuple[SampleExample, ...]:
    examples = []
    for kind, label in enumerate(LABELS):
        for nth in range(10):
            is_kept = nth < 6
            match = float(rng.uniform(0.7, 1) if is_kept else rng.uniform(0.05, 0.49))
            scores: dict[str, float | str] = {
                "clip-match": match, "clip-score": float(rng.normal(0.8, 0.05)),
                "reference": "agrees" if is_kept else f"disagrees: {LABELS[(kind + 2) % 10]}",
            }  # fmt: skip
            reason = "" if is_kept else f"{match:.3f} is below 0.5"
            prompt = f"a photo of a {'dark' if nth % 2 else 'light'} {label}"
            name = f"{rng.integers(2**62):016x}"
            examples.append(
                SampleExample(
                    name, png(rng, kind), label, prompt, is_kept, scores, "" if is_kept else "clip-match", reason
                )
            )
    return tuple(examples)


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
        StageCost("score reference", 21.9, 5996), StageCost("keep", 0.3, 5996),
        StageCost("train, 15 models", 246.0, 15, "models"), StageCost("prove", 38.2, 150_000, "answers"),
    )  # fmt: skip


def _data() -> tuple[DataSource, ...]:
    origin = "Debian package dataset-fashion-mnist 0.0~git20200523.55506a9-1"
    return (
        DataSource("Fashion-MNIST", "arm real: training photographs", origin, 4812, "3aede38d6186", "mit"),
        DataSource("Fashion-MNIST", "every accuracy: test photographs", origin, N, "346e55b948d973a97e58d2351dde16a4"),
    )


def _synthetic() -> tuple[SyntheticFraction, ...]:
    counts = {"kept samples": 4_812, "arm real": 0, "arm older": None}
    return tuple(SyntheticFraction(name, 4_812, synthetic) for name, synthetic in counts.items())


def _models() -> tuple[ModelUsed, ...]:
    return (
        ModelUsed("generator", "embedded:fashion-diffusion", "91c0ab", "8.8 million parameters, 15 steps, guidance 2"),
        ModelUsed("clip-match, clip-score", "embedded:fashion-clip", "77aa10"),
        ModelUsed("reference classifier", "embedded:fashion-resnet50", "d01e55", "trained on 50,000 real photographs"),
    )


def _reproduction() -> Reproduction:
    recipe = (
        "name: fashion\nseed: 7\ngenerate:\n  uses: GenerateImages\n"
        "  model: embedded:fashion-diffusion\n  guidance: 2.0\n"
    )
    versions = {
        "assay": "0.1.0",
        "torch": "2.13.0",
        "diffusers": "0.42.0",
        "transformers": "5.23.0",
        "python": "3.11.9",
    }
    return Reproduction(
        "assay run fashion", "runs/fashion-3f2a", "2025-11-03 14:07 UTC", 7, recipe, versions, "2 CPU cores, no GPU"
    )


if __name__ == "__main__":
    outcomes: dict[str, Outcome] = {"helped": "helped", "hurt": "hurt", "unclear": "unclear"}
    Path(sys.argv[1]).write_text(render(example(outcomes[(sys.argv[2:] or ["helped"])[0]])), encoding="utf-8")
