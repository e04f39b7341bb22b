"""From a finished run's folder to what a sceptic asks of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import softmax

from assay.analysis.finished_run import Finished
from assay.analysis.robustness import Calibrated, Drift, OodInput, OodScores, OodSet, SideBySide
from assay.components.evaluators.ood_scores import LOGIT, METHODS
from assay.core.effect import Effect
from assay.core.roles import Source
from assay.core.sample import Sample
from assay.core.score import Label, Outcome, Score
from assay.pipeline.plan import main_arm
from assay.pipeline.stages.arms import hashed
from assay.pipeline.stages.ood import KNOWN, LINE, MICROSECONDS, PARAMETERS, REFERENCE, shown
from assay.pipeline.stages.shards import parts
from assay.pipeline.stages.stage import StageKind
from assay.stats.confidence.calibration import calibration, temperature
from assay.stats.confidence.detection import detection, threshold
from assay.stats.confidence.risk_coverage import silence
from assay.stats.inference.bootstrap import paired_bootstrap
from assay.stats.inference.intervals import wilson
from assay.store.images import StoredImages
from assay.store.rows import ResultRow, read_results

Floats = npt.NDArray[np.float64]
SHOWN = 8
"""Strangers of each set on the page."""


class Seen:
    """What one model said of everything it was shown, by part."""

    def __init__(self, samples: Sequence[Sample], rows: Sequence[ResultRow]) -> None:
        self.by_part: dict[str, list[tuple[Sample, Score]]] = {}
        for sample, row in zip(samples, rows, strict=True):
            if isinstance(row.outcome, Score):
                self.by_part.setdefault(sample.text("part"), []).append((sample, row.outcome))

    def column(self, part: str, name: str) -> Floats:
        """One number of the evidence of every sample of a part."""
        return np.array([score.evidence[name] for _, score in self.by_part.get(part, [])])

    def right(self, part: str) -> npt.NDArray[np.bool_]:
        """Whether each sample of a part was named rightly."""
        return np.array([score.answer == sample.text("label") for sample, score in self.by_part.get(part, [])])

    def logits(self, part: str, labels: Sequence[str]) -> tuple[Floats, npt.NDArray[np.int64]]:
        """Logits (n, labels) and the right labels' indices of the samples whose label the model knows."""
        known = [(s, o) for s, o in self.by_part.get(part, []) if s.text("label") in labels]
        rows = [[score.evidence[LOGIT + label] for label in labels] for _, score in known]
        return np.array(rows), np.array([labels.index(sample.text("label")) for sample, _ in known], dtype=np.int64)

    def labels(self) -> list[str]:
        """Of the model, in the order of its logits."""
        (_, first) = next(iter(self.by_part.values()))[0]
        return [name.removeprefix(LOGIT) for name in first.evidence if name.startswith(LOGIT)]


def seen(run: Finished) -> dict[str, Seen]:
    """By model, what each said of what it was shown; empty where nothing was."""
    if "ood_scores" not in run.done:
        return {}
    strangers = {name: placed.folder for name, placed in run.done.items() if placed.stage.id.kind is StageKind.OOD}
    samples = shown(run.done["calibrate"].folder, run.done["holdout"].folder, strangers)
    found = {}
    for path in parts(run.done["ood_scores"].folder):
        rows = read_results(path)
        found[rows[0].arm] = Seen(samples, rows)
    return found


def unknowns(run: Finished, models: Mapping[str, Seen]) -> tuple[OodScores, ...]:
    """Every model that was shown strangers."""
    proof = run.recipe.prove
    if proof is None or proof.ood_scores is None:
        return ()
    method = str(getattr(proof.ood_scores, "method", METHODS[0]))
    names = {f"ood-{nth}": name for nth, name in enumerate(names_of(proof.ood))}
    return tuple(_unknowns(run, model, told, method, names) for model, told in models.items())


def names_of(sources: Sequence[Source]) -> list[str]:
    """What each set of strangers is called: by what it is told to read of its source, numbered where two agree."""
    names = [", ".join(getattr(source, "only", ())) or type(source).__name__ for source in sources]
    return [
        name if names.count(name) == 1 else f"{name} {1 + names[:nth].count(name)}" for nth, name in enumerate(names)
    ]


def _unknowns(run: Finished, model: str, told: Seen, method: str, names: Mapping[str, str]) -> OodScores:
    line = threshold(told.column(LINE, method))
    accepted = told.column(KNOWN, method) >= line
    right = told.right(KNOWN)
    passed = int(accepted.sum())
    return OodScores(
        model=model,
        method=method,
        line=line,
        sets=tuple(_set(told, part, name, by) for part, name in names.items() for by in METHODS),
        known_accepted=wilson(passed, len(accepted)),
        accuracy=wilson(int(right.sum()), len(right)),
        accuracy_accepted=wilson(int((right & accepted).sum()), passed) if passed else None,
        sure={name: float(told.column(part, "confidence").mean()) for part, name in {KNOWN: KNOWN, **names}.items()},
        shown=_shown(run, told, names, method, line),
    )


def _set(told: Seen, part: str, name: str, method: str) -> OodSet:
    strangers = told.column(part, method)
    found = detection(told.column(KNOWN, method), strangers)
    line = threshold(told.column(LINE, method))
    return OodSet(name, method, found.auroc, found.fpr, wilson(int((strangers >= line).sum()), len(strangers)))


def _shown(run: Finished, told: Seen, names: Mapping[str, str], method: str, line: float) -> tuple[OodInput, ...]:
    chosen: list[tuple[str, Sample, Score]] = []
    for part, name in names.items():
        pairs = sorted(told.by_part.get(part, []), key=lambda pair: hashed("shown", pair[0].id))[:SHOWN]
        chosen += [(name, sample, score) for sample, score in pairs]
    stored = StoredImages([run.done[part].folder for part in names])
    encoded = stored.encoded([sample.image() for _, sample, _ in chosen])
    return tuple(
        OodInput(
            set=name,
            png=png,
            label=sample.text("label"),
            answer=score.answer,
            confidence=score.evidence["confidence"],
            accepted=score.evidence[method] >= line,
        )
        for (name, sample, score), png in zip(chosen, encoded, strict=True)
    )


def calibrated(models: Mapping[str, Seen]) -> tuple[Calibrated, ...]:
    """Each model's calibration on the held-out samples, before and after its temperature was set on others."""
    found = []
    for model, told in models.items():
        labels = told.labels()
        fit, held = told.logits(LINE, labels), told.logits(KNOWN, labels)
        if not len(fit[1]) or not len(held[1]):
            continue
        heat = temperature(*fit)
        # Temperature changes the order of few items: what is drawn is of the shares as they are after it.
        shares = softmax(held[0] / heat, axis=1)
        spared = silence(shares.max(axis=1), shares.argmax(axis=1) == held[1])
        found.append(Calibrated(model, heat, calibration(*held), calibration(held[0] / heat, held[1]), spared))
    return tuple(found)


def side_by_side(run: Finished) -> SideBySide | None:
    """The expert beside the first training of the main arm, on the items that both could answer."""
    proof = run.recipe.prove
    if proof is None or "reference" not in run.done:
        return None
    arm = main_arm(proof)
    theirs = [row.outcome for path in parts(run.done["reference"].folder) for row in read_results(path)]
    ours = [row.outcome for row in run.results[arm, 0]]
    both = [
        (sample.text("label"), a, b)
        for sample, a, b in zip(run.holdout, theirs, ours, strict=True)
        if isinstance(a, Score) and isinstance(b, Score)
    ]
    if len(both) < 2:
        return None
    right = np.array([[a.value, b.value] for _, a, b in both])
    truth = np.array([label for label, _, _ in both])
    answers = list(
        dict.fromkeys([*run.labels, *sorted({a.answer for _, a, _ in both} | {b.answer for _, _, b in both})])
    )
    counts = Counter((a.answer, b.answer) for _, a, b in both)
    members = [(label, truth == label) for label in run.labels if (truth == label).any()]
    receipt = run.done["ood_scores"].receipt if "ood_scores" in run.done else None
    counts_of = receipt.counts if receipt else {}
    return SideBySide(
        expert=proof.reference,
        pupil=arm,
        both=int((right.sum(axis=1) == 2).sum()),
        only_expert=int(((right[:, 0] == 1) & (right[:, 1] == 0)).sum()),
        only_pupil=int(((right[:, 0] == 0) & (right[:, 1] == 1)).sum()),
        neither=int((right.sum(axis=1) == 0).sum()),
        expert_accuracy=_share(right[:, 0]),
        pupil_accuracy=_share(right[:, 1]),
        difference=paired_bootstrap(right[:, 0], right[:, 1], seed=hashed(run.recipe.seed, REFERENCE) % 2**32).effect,
        per_class=tuple((label, _share(right[rows, 0]), _share(right[rows, 1])) for label, rows in members),
        answers=tuple(tuple(counts[row, column] for column in answers) for row in answers),
        labels=tuple(answers),
        parameters=_named(counts_of, PARAMETERS),
        microseconds=_named(counts_of, MICROSECONDS),
    )


def _named(counts: Mapping[str, int], before: str) -> dict[str, int]:
    return {name.removeprefix(before): n for name, n in counts.items() if name.startswith(before)}


def _share(right: npt.NDArray[Any]) -> Effect:
    return wilson(int(right.sum()), len(right))


def agreement(run: Finished) -> dict[str, list[ResultRow]]:
    """By arm, what its first model says of the generated samples."""
    if "agree" not in run.done:
        return {}
    found = [read_results(path) for path in parts(run.done["agree"].folder)]
    return {rows[0].arm: rows for rows in found if rows}


def _agrees(samples: Sequence[Sample], rows: Sequence[ResultRow], label: str) -> Effect | None:
    """How often a model names the label that was asked for; None where it was asked about none of its images."""
    right = [
        row.outcome.value
        for sample, row in zip(samples, rows, strict=True)
        if isinstance(row.outcome, Score) and sample.text("label") == label
    ]
    return wilson(int(sum(right)), len(right)) if right else None


def drifts(run: Finished, outcomes: Sequence[Outcome]) -> tuple[Drift, ...]:
    """By label, how often the expert and the pupils agree with what was asked for, and what the expert says instead."""
    samples, said_by = run.samples, agreement(run)
    found = []
    for label in run.labels:
        said = [
            outcome.answer
            for sample, outcome in zip(samples, outcomes, strict=True)
            if isinstance(outcome, Label) and outcome.value in ("agrees", "disagrees") and sample.text("label") == label
        ]
        if not said:
            continue
        other = Counter(answer for answer in said if answer != label).most_common(1)
        instead, count = other[0] if other else ("", 0)
        agrees = wilson(sum(answer == label for answer in said), len(said))
        pupils = tuple((arm, share) for arm, rows in said_by.items() if (share := _agrees(samples, rows, label)))
        found.append(Drift(label, agrees, instead, count / len(said), pupils))
    return tuple(found)
