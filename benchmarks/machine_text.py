"""How well detectors of machine text tell people's texts from a model's, by length and by kind, and after edits.

    python benchmarks/machine_text.py FOLDER [--model REF] [--second REF] [--pairs N]

FOLDER holds .json files of pairs, as baoguangsheng/fast-detect-gpt publishes them (exp_gpt3to4/data). Every network is
called once a text: both methods come from the same logits. Printed: AUROC with DeLong's interval of pairs, of whole
texts and of some words behind their common beginning; after every nth word of the machine's texts was left out; and
what a line drawn on one file's people does to the others'.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from assay.components.sources.text.ai_texts import AiTexts, read_ai_texts
from assay.core.completions import TokenMoments
from assay.core.model_kinds import MomentsModel
from assay.models.open_models import OpenModels
from assay.stats.confidence.detection import detection, flagging_threshold
from assay.stats.inference.intervals import wilson
from assay.text.decoding.machine_text import binoculars, curvature

SHARE = 0.05
WORDS = (100, 50, 25, 10)
EDITS = (10, 5)


def more_like_a_machine(statistic: Callable[[TokenMoments], float | None]) -> Callable[[TokenMoments], float]:
    sign = 1 if statistic is curvature else -1

    def told(of: TokenMoments) -> float:
        value = statistic(of)
        assert value is not None
        return sign * value

    return told


METHODS = {"fast-detectgpt": more_like_a_machine(curvature), "binoculars": more_like_a_machine(binoculars)}


def read(model: MomentsModel, second: MomentsModel | None, texts: Sequence[str]) -> list[TokenMoments]:
    return list(model.token_moments([model.tokens_of(text)[:512] for text in texts], second))


def behind(texts: AiTexts, words: int) -> tuple[list[str], list[str]]:
    """The first words behind what both of a pair begin with, which is the prompt; pairs that have as many."""
    sides: tuple[list[str], list[str]] = ([], [])
    for person, machine in zip(texts.people, texts.machine, strict=True):
        own, other = person.split(), machine.split()
        alike = next((nth for nth, (a, b) in enumerate(zip(own, other, strict=False)) if a != b), 0)
        if min(len(own), len(other)) >= alike + words:
            sides[0].append(" ".join(own[alike : alike + words]))
            sides[1].append(" ".join(other[alike : alike + words]))
    return sides


def edited(texts: Sequence[str], every: int) -> list[str]:
    """Every nth word left out: a crude edit, and enough."""
    return [" ".join(word for nth, word in enumerate(text.split(), 1) if nth % every) for text in texts]


def show(name: str, people: Sequence[TokenMoments], machine: Sequence[TokenMoments]) -> None:
    for method, told in METHODS.items():
        found = detection([*map(told, machine)], [*map(told, people)], paired=True).auroc
        print(f"  {name:<28} {method:<15} AUROC {found.estimate:.3f} ({found.low:.3f} to {found.high:.3f})", flush=True)


def crossed(people: Mapping[str, Sequence[TokenMoments]]) -> None:
    """What a line drawn on one file's people does to the others'."""
    for method, told in METHODS.items():
        for name, own in people.items():
            at = flagging_threshold([*map(told, own)], SHARE).at
            for other, theirs in people.items():
                if other != name:
                    above = wilson(sum(told(one) > at for one in theirs), len(theirs))
                    print(
                        f"{method}: people of {other} above the line of {name}'s people: {above.estimate:.1%} "
                        f"({above.low:.1%} to {above.high:.1%})"
                    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--model", default="embedded:smollm2")
    parser.add_argument("--second", default="")
    parser.add_argument("--pairs", type=int)
    asked = parser.parse_args()
    models = OpenModels()
    opened = [models.likelihood_model(name) for name in (asked.model, asked.second or asked.model)]
    model, second = opened
    assert isinstance(model, MomentsModel)
    assert isinstance(second, MomentsModel)
    people: dict[str, list[TokenMoments]] = {}
    for file in sorted(asked.folder.glob("*.json")):
        every = read_ai_texts(file)
        texts = AiTexts(every.people[: asked.pairs], every.machine[: asked.pairs])
        print(f"{file.name}: {len(texts.people)} pairs", flush=True)
        people[file.stem] = read(model, second, texts.people)
        machine = read(model, second, texts.machine)
        show("whole", people[file.stem], machine)
        for method, told in METHODS.items():
            line = flagging_threshold([*map(told, people[file.stem])], SHARE, [*map(told, machine)])
            assert line.found is not None
            print(
                f"  {method:<15} line {line.at:.3f} for {SHARE:.0%}: people {line.false.estimate:.1%} "
                f"({line.false.low:.1%} to {line.false.high:.1%}), machine {line.found.estimate:.1%} "
                f"({line.found.low:.1%} to {line.found.high:.1%})"
            )
        for words in WORDS:
            own, other = behind(texts, words)
            show(f"{words} words, {len(own)} pairs", read(model, second, own), read(model, second, other))
        for every_nth in EDITS:
            show(
                f"1 in {every_nth} words left out",
                people[file.stem],
                read(model, second, edited(texts.machine, every_nth)),
            )
    crossed(people)


if __name__ == "__main__":
    main()
