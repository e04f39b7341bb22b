"""The same questions of MMLU in lm-evaluation-harness' own loop, beside assay; for mmlu.py and published.py."""

from __future__ import annotations

import contextlib
import io
import json
import os
import statistics
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmlu import SHOTS, Numbers, Subject, Turns, Way

from assay.core.errors import SourceError
from assay.models.references import locate
from assay.text.prompting.multiple_choice import MultipleChoiceItem, choose

TASK = {
    "dataset_path": "json",
    "test_split": "test",
    "fewshot_split": "dev",
    "num_fewshot": SHOTS,
    "fewshot_config": {"sampler": "first_n"},
    "output_type": "multiple_choice",
    "doc_to_text": "{{question.strip()}}\nA. {{choice0}}\nB. {{choice1}}\nC. {{choice2}}\nD. {{choice3}}\nAnswer:",
    "doc_to_choice": ["A", "B", "C", "D"],
    "doc_to_target": "answer",
    "metric_list": [{"metric": "acc", "aggregation": "mean", "higher_is_better": True}],
}
"""Words of `lm_eval/tasks/mmlu/default/_default_template_yaml`, with our names of columns."""


@dataclass(frozen=True)
class Ratio:
    """The harness' seconds over ours."""

    ours: float
    theirs: float
    turns: tuple[float, ...]

    @property
    def whole(self) -> float:
        return self.theirs / self.ours

    @property
    def median(self) -> float:
        return statistics.median(self.turns)


@dataclass(frozen=True)
class HarnessComparison:
    """One way of the harness beside ours."""

    n: int
    """Questions."""
    same: int
    """In which both choose the same letter."""
    apart: float
    """Nats that log-probabilities differ by at most."""
    clock: Ratio
    processor: Ratio


def harness_ways(subjects: Sequence[Subject], model: str, device: str, batch: Sequence[str]) -> dict[str, Way]:
    """Ways to ask by lm-evaluation-harness, one a batch size; its prompts must be ours letter by letter."""
    os.environ |= {"HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1", "TQDM_DISABLE": "1"}
    instances = _instances(subjects)
    for subject in subjects:
        texts = [(one.prompt, text) for one in subject.asked for text in one.texts]
        theirs = [tuple(instance.args) for instance in instances[subject.name]]
        if texts != theirs:
            one, other = next(pair for pair in zip(texts, theirs, strict=True) if pair[0] != pair[1])
            raise SourceError(f"The prompts of {subject.name} differ from the harness': {one!r} and {other!r}.")
    return {f"lm_eval batch_size={size}": _loop(model, device, instances, size) for size in batch}


def compare_with_harness(subjects: Sequence[Subject], ours: Turns, theirs: Turns) -> HarnessComparison:
    """What both chose, and how long it took them."""
    rows = [pair for one in subjects for pair in zip(ours.found[one.name], theirs.found[one.name], strict=True)]
    return HarnessComparison(
        n=len(rows),
        same=sum(choose(one) == choose(two) for one, two in rows),
        apart=max(abs(left - right) for one, two in rows for left, right in zip(one, two, strict=True)),
        clock=_ratio([one[0] for one in ours.times], [one[0] for one in theirs.times]),
        processor=_ratio([one[1] for one in ours.times], [one[1] for one in theirs.times]),
    )


def _ratio(ours: Sequence[float], theirs: Sequence[float]) -> Ratio:
    return Ratio(sum(ours), sum(theirs), tuple(right / left for left, right in zip(ours, theirs, strict=True)))


def _instances(subjects: Sequence[Subject]) -> dict[str, Any]:
    """The harness' own requests, of tasks that are written for it."""
    import yaml
    from lm_eval.tasks import TaskManager

    found = {}
    with tempfile.TemporaryDirectory() as folder:
        for subject in subjects:
            files = {"test": subject.items, "dev": subject.examples}
            for split, items in files.items():
                rows = [json.dumps(_row(item)) for item in items]
                Path(folder, f"{subject.name}-{split}.jsonl").write_text("\n".join(rows), encoding="utf-8")
            place = {split: str(Path(folder, f"{subject.name}-{split}.jsonl")) for split in files}
            words = subject.name.replace("_", " ")
            task = {
                **TASK,
                "task": f"assay_{subject.name}",
                "description": f"The following are multiple choice questions (with answers) about {words}.\n\n",
                "dataset_kwargs": {"data_files": place, "cache_dir": str(Path(folder, "cache"))},
            }
            Path(folder, f"{subject.name}.yaml").write_text(yaml.safe_dump(task), encoding="utf-8")
        manager = TaskManager(include_path=folder, include_defaults=False)
        tasks = manager.load([f"assay_{subject.name}" for subject in subjects])["tasks"]
        for subject in subjects:
            task = tasks[f"assay_{subject.name}"]
            with contextlib.redirect_stderr(io.StringIO()):  # bars
                task.build_all_requests()
            found[subject.name] = task.instances
    return found


def _row(item: MultipleChoiceItem) -> dict[str, object]:
    choices = {f"choice{nth}": choice for nth, choice in enumerate(item.choices)}
    return {"question": item.question, **choices, "answer": min(item.right)}


def _loop(reference: str, device: str, instances: dict[str, Any], size: str) -> Way:
    from lm_eval.models.huggingface import HFLM

    lm = HFLM(
        pretrained=locate(reference).location,
        dtype="float32",
        device=device,
        batch_size=int(size) if size.isdecimal() else size,
    )

    def ask(part: Sequence[Subject]) -> dict[str, Numbers]:
        answers = iter(
            lm.loglikelihood([one for subject in part for one in instances[subject.name]], disable_tqdm=True)
        )
        return {
            subject.name: tuple(tuple(next(answers)[0] for _ in item.choices) for item in subject.items)
            for subject in part
        }

    return ask
