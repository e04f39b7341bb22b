"""MMLU with five examples a subject, by the likelihood of the letters: the accuracy, and the time beside the harness.

    python benchmarks/mmlu.py --data DATA/mmlu                          # all 14,042 questions
    python benchmarks/mmlu.py --data DATA/mmlu --items 2 --compare      # beside lm-evaluation-harness

Printed: the share of right answers, over the questions and as the mean over the subjects, each with an interval, and
the seconds of asking. Chance is 25 %.

With --compare, lm-evaluation-harness reads the same questions as a task of its own (the words of its `mmlu`, in a
temporary folder) and asks the same weights, in 32 bit, on the same device, in its own loop (`HFLM.loglikelihood`); in
turns with assay, some subjects at a time, so that a slow moment of the machine slows both. Only asking is timed: texts
to tokens to numbers, without loading and without building prompts. Then also printed: whether the prompts are the same
letter by letter, whether the chosen letters are, how far log-probabilities differ, and the ratio of the times, the
harness' over ours, for each batch size that it is given.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from assay.components.sources.tasks.mmlu import Mmlu
from assay.core.completions import Continuations, NotCompleted
from assay.core.effect import Effect
from assay.models.loading import Device
from assay.models.registry import open_model
from assay.stats import mean_of_proportions, wilson
from assay.text.prompting.multiple_choice import MultipleChoiceItem, choose, continuations, item_of, mmlu_prompt, scores

WANTED = 2.0
"""How many times as fast as the harness."""
SHOTS = 5
Numbers: TypeAlias = tuple[tuple[float, ...], ...]
"""(questions, letters): log-probabilities."""
Times: TypeAlias = tuple[float, float]
"""Seconds of a turn, by the clock and of the processor."""


@dataclass(frozen=True)
class Subject:
    """Questions of one subject, and what is asked about them."""

    name: str
    items: tuple[MultipleChoiceItem, ...]
    examples: tuple[MultipleChoiceItem, ...]

    @property
    def asked(self) -> list[Continuations]:
        return [continuations(item, mmlu_prompt(item, self.examples), "letter") for item in self.items]


Way: TypeAlias = Callable[[Sequence[Subject]], dict[str, Numbers]]
"""Asks some subjects."""


@dataclass(frozen=True)
class Turns:
    """What one way found, and how long each of its turns took."""

    found: dict[str, Numbers]
    times: list[Times]


def main() -> None:
    options = _options()
    subjects = read_subjects(Path(options.data), options.items or None, options.subjects)
    ours = assay_way(options.model, options.device, subjects)
    theirs: dict[str, Way] = {}
    if options.compare:
        from mmlu_harness import harness_ways

        theirs = harness_ways(subjects, options.model, options.device, options.batch)
        print(f"prompts: the same, letter by letter ({sum(len(one.items) for one in subjects)} questions)")
    turns = in_turns({"assay": ours, **theirs}, subjects, options.rounds)
    _report(subjects, turns["assay"])
    for name in theirs:
        _compare(subjects, turns["assay"], turns[name], name)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True, help="the folder with dev/ and test/")
    parser.add_argument("--model", default="embedded:smollm2", help="by transformers, whatever backend is usual")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--items", type=int, default=0, help="the first N questions of each subject; 0 for all")
    parser.add_argument("--subjects", nargs="*", default=[], help="all where none is named")
    parser.add_argument("--compare", action="store_true", help="also ask by lm-evaluation-harness (lm_eval)")
    parser.add_argument("--batch", nargs="*", default=["1"], help="the harness' batch sizes: numbers, or auto")
    parser.add_argument("--rounds", type=int, default=10, help="turns, at most one a subject")
    return parser.parse_args()


def read_subjects(folder: Path, items: int | None, names: Sequence[str] = ()) -> list[Subject]:
    """The first `items` questions of each subject, or all; all subjects where none is named."""
    lab: Any = None  # questions have no images
    by_name: dict[str, dict[str, list[MultipleChoiceItem]]] = {}
    for split, limit in (("test", items), ("dev", SHOTS)):
        source = Mmlu(str(folder), split, tuple(names), limit)
        for item in map(item_of, source.read(lab)):
            by_name.setdefault(item.subject, {"test": [], "dev": []})[split].append(item)
    return [Subject(name, tuple(own["test"]), tuple(own["dev"])) for name, own in sorted(by_name.items())]


def assay_way(model: str, device: str, subjects: Sequence[Subject]) -> Way:
    """By assay, warm: what is slow only once was done."""
    opened = open_model("token-model", model, Device(device=device, dtype="float32"))

    def ask(part: Sequence[Subject]) -> dict[str, Numbers]:
        answers = iter(opened.likelihoods([one for subject in part for one in subject.asked]))
        return {subject.name: tuple(_numbers(item, next(answers)) for item in subject.items) for subject in part}

    opened.likelihoods(subjects[0].asked[:1])
    return ask


def _numbers(item: MultipleChoiceItem, answer: Any) -> tuple[float, ...]:
    if isinstance(answer, NotCompleted):
        raise SystemExit(answer.reason)
    return scores(item, answer, "letter")


def in_turns(ways: Mapping[str, Way], subjects: Sequence[Subject], rounds: int) -> dict[str, Turns]:
    """Every way is asked some subjects, `rounds` times: a slow moment of the machine slows all."""
    turns = {name: Turns({}, []) for name in ways}
    rounds = min(rounds, len(subjects))
    for nth in range(rounds):
        # Who goes first changes, for what ran before leaves the machine warm or throttled.
        for name, way in list(ways.items())[:: 1 if nth % 2 == 0 else -1]:
            started = time.perf_counter(), time.process_time()
            made = way(subjects[nth::rounds])
            turns[name].times.append((time.perf_counter() - started[0], time.process_time() - started[1]))
            turns[name].found.update(made)
    return turns


def _report(subjects: Sequence[Subject], ours: Turns) -> None:
    counts, right = [len(one.items) for one in subjects], [_right(one, ours.found) for one in subjects]
    n, seconds = sum(counts), sum(wall for wall, _ in ours.times)
    print(json.dumps({"questions": n, "subjects": len(subjects), "shots": SHOTS, "seconds": round(seconds, 1)}))
    print(f"right answers          {_shown(wilson(sum(right), n))}; chance is 25 %")
    print(f"mean over the subjects {_shown(mean_of_proportions(right, counts))}")


def _right(subject: Subject, found: dict[str, Numbers]) -> int:
    return sum(choose(row) in item.right for item, row in zip(subject.items, found[subject.name], strict=True))


def _shown(effect: Effect) -> str:
    between = (
        "" if effect.low is None or effect.high is None else f" ({100 * effect.low:.1f} to {100 * effect.high:.1f})"
    )
    return f"{100 * effect.estimate:.1f} %{between}, n = {effect.n}"


def _compare(subjects: Sequence[Subject], ours: Turns, theirs: Turns, name: str) -> None:
    from mmlu_harness import compare_with_harness

    found = compare_with_harness(subjects, ours, theirs)
    print(
        f"{name}: the same letter in {found.same} of {found.n}, log-probabilities {found.apart:.1e} nats apart at most"
    )
    for kind, ratio in (("by the clock", found.clock), ("of the processor", found.processor)):
        print(
            f"{name} / assay {kind}: {ratio.whole:.2f} ({ratio.theirs:.1f} s / {ratio.ours:.1f} s; turns "
            f"{min(ratio.turns):.2f} to {max(ratio.turns):.2f}, median {ratio.median:.2f}), must be {WANTED:g} or more"
        )


if __name__ == "__main__":
    main()
