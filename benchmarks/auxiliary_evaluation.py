"""Auxiliary evaluation of a language model: truthfulness and refusals on assay's own questions and requests.

    python benchmarks/auxiliary_evaluation.py                                  # embedded:smollm2 python
    benchmarks/auxiliary_evaluation.py --model ./tuned/model --convention text python benchmarks/auxiliary_evaluation.py
    --data DATA                      # also: refusals found in human answers python benchmarks/auxiliary_evaluation.py
    --labeled gpt4.csv llama2new.csv  # only: agreement of the rule with people

Prints accuracy on `Misconceptions` by convention with Wilson intervals, and the refusal rate of unsafe and safe
`Requests` by `Harmless`, with the greedy answers. With --data also the rate of refusals that `Refusal` reports for
Alpaca's answers in DATA/alpaca-9k.jsonl, almost none of which are refusals, with the matched words.

With --labeled, labeled answers (columns completion and final_label, as in paul-rottger/exaggerated-safety,
model_completions/xstest_v2_completions_*.csv): the fraction of full refusals, full answers and partial refusals that
`Refusal` reports as refusals. No model is used.
"""

from __future__ import annotations

import argparse
import csv
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from assay.components.evaluators.multiple_choice import MultipleChoice
from assay.components.scorers.text.refusals import Harmless, Refusal
from assay.components.sources.tasks.seed_tasks import SeedTasks
from assay.components.sources.tasks.truthful_qa import Misconceptions
from assay.components.sources.text.requests import Requests
from assay.core.completions import Message, NotCompleted, TextRequest
from assay.core.decoding import Decoding
from assay.core.effect import Effect
from assay.core.lab import Lab
from assay.core.roles import Artifact
from assay.core.sample import Sample
from assay.core.score import Score
from assay.models import Device, OpenModels
from assay.stats import wilson
from assay.store.images import StoredImages
from assay.text.prompting.multiple_choice import CONVENTIONS

SHOWN = 140
"""Characters of an answer."""


def main() -> None:
    options = _options()
    lab = Lab(0, OpenModels(Device(device=options.device)), StoredImages([]))
    if options.labeled:
        for file in options.labeled:
            _labeled(file, lab)
        return
    for convention in options.convention:
        _truth(options, convention, lab)
    _declined(options, lab)
    if options.data:
        _mistaken(options.data, lab)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="embedded:smollm2")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--convention", nargs="*", default=list(CONVENTIONS), choices=CONVENTIONS)
    parser.add_argument("--questions", default="", help="a file of questions; assay's own where it is left out")
    parser.add_argument("--requests", default="", help="a file of requests, such as XSTest's; assay's own otherwise")
    parser.add_argument("--limit", type=int, help="the first N of each")
    parser.add_argument("--tokens", type=int, default=64, help="of an answer")
    parser.add_argument("--show", type=int, default=8, help="answers that are printed, of each kind")
    parser.add_argument("--data", type=Path, help="the folder with alpaca-9k.jsonl")
    parser.add_argument("--labeled", type=Path, nargs="*", help="files of labeled answers, as XSTest has them")
    return parser.parse_args()


def _truth(options: argparse.Namespace, convention: str, lab: Lab) -> None:
    samples = Misconceptions(options.questions, options.limit).read(lab)
    evaluator = MultipleChoice(convention)  # type: ignore[arg-type]
    found = evaluator.evaluate(Artifact(options.model, "text-model", ""), samples, lab)
    scores = [one for one in found if isinstance(one, Score)]
    mass = sum(one.evidence["probability of the truth"] for one in scores) / len(scores)
    right = wilson(sum(one.value for one in scores), len(scores))
    guess = sum(1 / sum(name.startswith("choice") for name in sample.fields) for sample in samples) / len(samples)
    print(f"true answer likeliest, {convention:15} {_shown(right)}; guessing {guess:.1%}; mean probability {mass:.3f}")


def _declined(options: argparse.Namespace, lab: Lab) -> None:
    answered = _answers(Requests(path=options.requests, limit=options.limit).read(lab), options, lab)
    for kind in ("unsafe", "safe"):
        own = [one for one in answered if one.text("kind") == kind]
        found = [one for one in Harmless().score(own, lab) if isinstance(one, Score)]
        if not found:
            continue
        share = wilson(sum(one.evidence["declined"] for one in found), len(found))
        print(f"{kind:6} requests declined    {_shown(share)}")
        for sample, one in list(zip(own, found, strict=True))[: options.show]:
            said = " ".join(sample.text("text").split())[:SHOWN]
            print(
                f"  {'declined' if one.evidence['declined'] else '-':8} {sample.text('instruction')}\n           {said}"
            )


def _answers(samples: Sequence[Sample], options: argparse.Namespace, lab: Lab) -> list[Sample]:
    """What the model writes to each request, greedily."""
    decoding = Decoding(max_tokens=options.tokens)
    asked = [TextRequest((Message("user", sample.text("instruction")),), decoding) for sample in samples]
    given = lab.models.text_model(options.model).complete(asked)
    return [
        Sample({**sample.fields, "text": one.answers[0].text})
        for sample, one in zip(samples, given, strict=True)
        if not isinstance(one, NotCompleted)
    ]


def _mistaken(data: Path, lab: Lab) -> None:
    samples = SeedTasks(str(data / "alpaca-9k.jsonl"), unanswered="skip").read(lab)
    found = [one for one in Refusal("output").score(samples, lab) if isinstance(one, Score)]
    print(f"Alpaca's answers that seem to decline: {sum(one.value for one in found):.0f} of {len(found):,}")
    for one in found:
        if one.value:
            print(f"  {one.reason}")


def _labeled(file: Path, lab: Lab) -> None:
    with file.open(encoding="utf-8", newline="") as lines:
        rows = [row for row in csv.DictReader(lines) if row["completion"].strip()]
    found = Refusal().score([Sample({"text": row["completion"]}) for row in rows], lab)
    seen, there = Counter[str](), Counter[str]()
    for row, one in zip(rows, found, strict=True):
        label = row["final_label"].partition("_")[2].replace("_", " ")
        there[label] += 1
        seen[label] += isinstance(one, Score) and bool(one.value)
    told = (f"{label} {seen[label]} of {count} ({seen[label] / count:.1%})" for label, count in sorted(there.items()))
    print(f"{file.stem}: seen to decline: {'; '.join(told)}")


def _shown(effect: Effect) -> str:
    assert effect.low is not None
    assert effect.high is not None
    return f"{effect.estimate:6.1%} ({effect.low:.1%} to {effect.high:.1%}), n = {effect.n}"


if __name__ == "__main__":
    main()
