"""What becomes of what a language model writes when it invents tasks: the share of each outcome, by how it is asked.

    python benchmarks/self_instruct.py --tasks FILE --calls 8 --per-call 8 --tokens 384
    python benchmarks/self_instruct.py --tasks FILE --calls 64 --whole

FILE is a JSONL of tasks: instruction, input, output, classification, language; or with `instances` and
`is_classification`, as yizhongw/self-instruct has its seed tasks. Without --whole only lists are asked for, in one
round. Printed: the share of places (calls x per-call) that hold an instruction breaking no rule and new to all before
it, also to those of other calls, how many that is a minute, and the share of each rule. With --whole also what became
of the instances. Figures depend on the tasks and the model; one machine's minutes are another's seconds.
"""

from __future__ import annotations

import argparse
import json
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from assay.components.generators.self_instruct import SelfInstruct
from assay.components.generators.task_calls import Pool, TaskPrompts, answer_of, of_language, task_of
from assay.core.decoding import Decoding
from assay.core.lab import Lab
from assay.core.sample import Failure, Sample
from assay.models import OpenModels
from assay.store.images import StoredImages
from assay.text.instructions.self_instruct import LIST_ENDED
from assay.text.similarity.novelty import NoveltyFilter


@dataclass(frozen=True)
class TaskFile:
    """Tasks of a JSONL file, in either form."""

    path: str

    def read(self, lab: Lab) -> Sequence[Sample]:
        lines = Path(self.path).read_text(encoding="utf-8").splitlines()
        return [Sample(self._fields(json.loads(line))) for line in lines if line.strip()]

    def _fields(self, row: dict[str, Any]) -> dict[str, str]:
        first = (row.get("instances") or [row])[0]
        kind = row.get("classification", "yes" if row.get("is_classification") else "no")
        own = {"classification": kind, "language": row.get("language", "en")}
        return {"instruction": row["instruction"], "input": first.get("input", ""), "output": first["output"], **own}


def main() -> None:
    options = _options()
    decoding = Decoding(
        "sample",
        temperature=options.temperature,
        top_p=options.top_p,
        repetition_penalty=options.penalty,
        max_tokens=options.tokens,
    )
    solving = Decoding(max_tokens=options.solving, repetition_penalty=options.solving_penalty)
    if options.solving_temperature:
        solving = replace(solving, strategy="sample", temperature=options.solving_temperature, top_p=0.9)
    own = SelfInstruct(
        TaskFile(options.tasks),
        options.calls * options.per_call,
        options.model,
        per_round=options.per_round or options.calls * options.per_call,
        per_call=options.per_call,
        language=options.language,
        layout=options.layout,
        decoding=decoding,
        solving_layout=options.solving_layout,
        solving=solving,
        yes=options.yes,
        no=options.no,
        shots=options.shots,
    )
    lab = Lab(options.seed, OpenModels(), StoredImages([]))
    lab.models.text_model(own.model)
    started = time.process_time()
    rules = _whole(own, lab, options.show) if options.whole else _lists(own, lab, options.calls, options.show)
    minutes = (time.process_time() - started) / 60
    good, all_ = rules[""], sum(rules.values())
    shares = ", ".join(f"{rule} {count / all_:.1%}" for rule, count in rules.most_common() if rule)
    print(f"usable {good / all_:.1%} of {all_}, {good / minutes:.0f} a processor minute; {shares}")


def _lists(own: SelfInstruct, lab: Lab, calls: int, show: int) -> Counter[str]:
    asking = TaskPrompts(own, of_language([task_of(one) for one in own.tasks.read(lab)], own.language, 8), lab)
    human = [task for some in asking.tasks.values() for task in some]
    pool = Pool(human, [], own.novelty)
    plans = [asking.call(str(nth), pool) for nth in range(calls)]
    model = lab.models.text_model(own.model)
    answers = [answer_of(one, certain=True) for one in model.complete([asking.listing(plan) for plan in plans])]
    rules: Counter[str] = Counter()
    among = NoveltyFilter()
    for nth, answer in enumerate(answers):
        if not hasattr(answer, "text"):
            rules[f"failed: {answer.reason}"] += own.per_call
            continue
        items = asking.listed(answer, pool)
        items = [(text, rule or ("" if among.add(text).kept else "as another call")) for text, rule in items]
        rules.update(rule for _, rule in items)
        rules[LIST_ENDED] += own.per_call - len(items)
        for text, rule in items if nth < show else ():
            print(f"  {nth} {rule or 'ok':22} {text[:150]}")
    return rules


def _whole(own: SelfInstruct, lab: Lab, show: int) -> Counter[str]:
    made: list[Sample] = []
    rules: Counter[str] = Counter()
    kinds: Counter[str] = Counter()
    for groups in own.rounds(own.seeds()):
        seeds = [seed for group in groups for seed in group]
        for one in own.generate(seeds, Lab(lab.seed, lab.models, lab.images, made=tuple(made))):
            if isinstance(one, Failure):
                rules[f"failed: {one.reason}"] += 1
                continue
            made.append(one)
            rules[one.text("rejected")] += 1
            kinds[one.text("classification")] += not one.text("rejected")
    for one in [one for one in made if one.text("classification")][:show]:
        print(json.dumps({name: value for name, value in one.fields.items() if name != "place"}, ensure_ascii=False))
    print(f"classification {kinds['yes']}, others {kinds['no']}")
    return rules


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tasks", required=True)
    parser.add_argument("--model", default="embedded:smollm2")
    parser.add_argument("--calls", type=int, default=64)
    parser.add_argument("--per-call", type=int, default=1)
    parser.add_argument("--per-round", type=int, default=0, help="0 for one round")
    parser.add_argument("--layout", choices=("plain", "chat"), default="plain")
    parser.add_argument("--language", default="any")
    parser.add_argument("--temperature", type=float, default=0.7)
    parser.add_argument("--top-p", type=float, default=0.9)
    parser.add_argument("--penalty", type=float, default=1.0, help="of repetition")
    parser.add_argument("--tokens", type=int, default=64, help="of a list")
    parser.add_argument("--solving", type=int, default=300, help="tokens of an instance")
    parser.add_argument("--solving-layout", choices=("plain", "chat"), default="plain")
    parser.add_argument("--solving-temperature", type=float, default=0.0, help="0 for greedy")
    parser.add_argument("--solving-penalty", type=float, default=1.0)
    parser.add_argument("--yes", type=int, default=12)
    parser.add_argument("--no", type=int, default=19)
    parser.add_argument("--shots", type=int, default=6)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--whole", action="store_true", help="instances too, in rounds")
    parser.add_argument("--show", type=int, default=0, help="how many calls or tasks to print")
    return parser.parse_args()


if __name__ == "__main__":
    main()
