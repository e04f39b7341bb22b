"""What the embedded language model knows, as `assay eval` asks it, and how long that takes; for published.py."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

from figures import Figure, Found, Missing, Sizes, file
from mmlu_subjects import SHOTS, WANTED, Subject, assay_way, in_turns, read_subjects

from assay.analysis.format import count, p_value, percent, plural, points_between, signed
from assay.components.sources.tasks.mmlu import Mmlu
from assay.core.decoding import parse_strategy
from assay.core.effect import Effect
from assay.core.score import Score
from assay.evaluation.plan import EvalCell, cells, parse_prompt_setup
from assay.evaluation.results import CellResult, comparisons, result
from assay.evaluation.run import EvaluatedCell, Evaluation
from assay.evaluation.tasks import parse_task
from assay.models.open_models import OpenModels
from assay.pipeline.progress import quiet_libraries, terminal_reporter
from assay.stats import mean_of_proportions
from assay.store.run_folder import RunFolder

MODEL = "embedded:smollm2"
MAX_TOKENS = 256
"""Of an answer, as `assay eval` asks by default."""
HARNESS_ITEMS = 8
"""Questions a subject beside the harness; a subject of MMLU has 246 on average."""
FEWEST = 4
"""Below so many questions a subject nothing is promised of times: what is saved is reading their examples again."""


def gsm8k(folder: Path, sizes: Sizes) -> Iterator[Found]:
    """Zero-shot against zero-shot chain-of-thought."""
    task = parse_task(f"gsm8k:{file(folder, 'gsm8k-test.jsonl')}", sizes.problems or None)
    setups = [parse_prompt_setup(name) for name in ("zero-shot", "zero-shot-cot")]
    greedy = parse_strategy("greedy", max_tokens=MAX_TOKENS, seed=0)
    filled, spent = _asked(cells([MODEL], [task], setups, [greedy]), sizes)
    for one in map(result, filled):
        yield _share(f"GSM8K, {one.cell.setup.name}, right, %", one)
    for pair in comparisons(filled):
        compared = pair.compared
        name = f"GSM8K, {pair.ours.setup.name} less {pair.theirs.setup.name}, points"
        note = f"{points_between(compared.effect)} at 95 %, p {p_value(compared.p)}: {compared.verdict}"
        yield Figure(name, None, 100 * compared.effect.estimate, note=f"{note}; paired, n = {count(pair.n)}")
    yield _seconds("GSM8K, seconds", filled, spent)


def mmlu(folder: Path, sizes: Sizes) -> Iterator[Found]:
    """All subjects, five examples, by the likelihood of the letters."""
    root = _mmlu_folder(folder)
    usable, lacking = _subjects(root, 1)
    yield from _left_out(lacking)
    task = parse_task(f"mmlu:{root}", sizes.mmlu_items or None)
    if lacking:
        names = tuple(one.name for one in usable)
        task = replace(task, items=Mmlu(str(root), subjects=names, per_subject=sizes.mmlu_items or None))
    filled, spent = _asked(cells([MODEL], [task], [parse_prompt_setup(f"letter:{SHOTS}")], []), sizes)
    one = result(filled[0])
    yield _share(f"MMLU, {plural(len(usable), 'subject')}, right, %", one, f"{SHOTS} examples, by letter{_chance(one)}")
    if one.accuracy is not None:
        mean = mean_of_proportions(*_by_subject(filled[0]))
        yield Figure("MMLU, mean over the subjects, %", None, 100 * mean.estimate, note=_between(mean))
    part = f"{sizes.mmlu_items} a subject; --mmlu-items 0 asks all" if sizes.mmlu_items else ""
    yield Figure("MMLU, questions", None, one.n, note=part)
    yield _seconds("MMLU, seconds", filled, spent)


def harness(folder: Path, sizes: Sizes) -> Iterator[Found]:
    """Times and letters beside lm-evaluation-harness' own loop, in turns."""
    root = _mmlu_folder(folder)
    if find_spec("lm_eval") is None:
        yield "MMLU beside lm_eval: skipped, lm_eval is not installed (pip install 'assay[harness]')"
        return
    from mmlu_harness import compare_with_harness, harness_ways

    usable, lacking = _subjects(root, HARNESS_ITEMS)
    yield from _left_out(lacking)
    subjects = usable[:: max(1, len(usable) // sizes.harness_subjects)][: sizes.harness_subjects]
    with quiet_libraries():
        ours = assay_way(MODEL, "cpu", subjects)
        ((name, theirs),) = harness_ways(subjects, MODEL, "cpu", ["1"]).items()
        turns = in_turns({"assay": ours, name: theirs}, subjects, len(subjects))
    found = compare_with_harness(subjects, turns["assay"], turns[name])
    promised = WANTED if found.n >= FEWEST * len(subjects) else None
    of = f"{plural(len(subjects), 'subject')}, {found.n} questions, lm_eval {version('lm_eval')} at batch_size 1"
    few = "" if promised else f"; nothing is promised below {FEWEST} questions a subject"
    for kind, ratio in (("by the clock", found.clock), ("of the processor", found.processor)):
        note = (
            f"{ratio.theirs:.1f} s / {ratio.ours:.1f} s; turns {min(ratio.turns):.2f} to {max(ratio.turns):.2f}; {of}"
        )
        yield Figure(f"MMLU, lm_eval's seconds / ours, {kind}", None, ratio.whole, at_least=promised, note=note + few)
    note = f"log-probabilities {found.apart:.1e} nats apart at most; prompts the same"
    yield Figure("MMLU, questions with lm_eval's letter", found.n, found.same, 0.0, note=note)


def _asked(chosen: Sequence[EvalCell], sizes: Sizes) -> tuple[list[EvaluatedCell], float]:
    """What was answered, now or before, and the seconds of the processor that it took now."""
    started = time.process_time()
    with terminal_reporter() as reporter:
        folder = RunFolder.open(sizes.keep, create=True)
        filled = Evaluation(chosen, folder, OpenModels(), reporter).run()
    return filled, time.process_time() - started


def _mmlu_folder(folder: Path) -> Path:
    # Without links and dots: the place is part of what answers are kept under.
    for split in ("dev", "test"):
        if not any((folder / "mmlu" / split).glob("*.csv")):
            raise Missing(f"mmlu/{split}/*.csv")
    return (folder / "mmlu").resolve()


def _subjects(root: Path, items: int) -> tuple[list[Subject], list[Subject]]:
    """Those that have questions and examples enough, and those that lack some."""
    found = read_subjects(root, items)
    usable = [one for one in found if one.items and len(one.examples) == SHOTS]
    if not usable:
        raise Missing(f"a subject of mmlu/ with questions in test/ and {SHOTS} examples in dev/")
    return usable, [one for one in found if one not in usable]


def _left_out(lacking: Sequence[Subject]) -> Iterator[str]:
    for one in lacking:
        lack = f"{len(one.examples)} examples in dev/, {SHOTS} are needed" if one.items else "no questions in test/"
        yield f"MMLU: {one.name} is left out, it has {lack}"


def _by_subject(filled: EvaluatedCell) -> tuple[list[float], list[int]]:
    """Right answers and questions of each; a question without an answer is left out."""
    right: dict[str, list[float]] = {}
    for item, outcome in zip(filled.items, filled.outcomes, strict=True):
        if isinstance(outcome, Score):
            right.setdefault(item.text("subject"), []).append(outcome.value)
    return [sum(own) for own in right.values()], [len(own) for own in right.values()]


def _share(name: str, one: CellResult, *more: str) -> Figure:
    if one.accuracy is None:
        return Figure(name, None, float("nan"), note="no question has an answer")
    lacks = [f"{one.unparsed} unparsed, counted as wrong"] * (one.unparsed > 0)
    lacks += [f"{one.failed} without an answer, left out"] * (one.failed > 0)
    return Figure(name, None, 100 * one.accuracy.estimate, note="; ".join([_between(one.accuracy), *more, *lacks]))


def _seconds(name: str, filled: Sequence[EvaluatedCell], spent: float) -> Figure:
    note = f"by the clock, when they were asked; this run spent {spent:.1f} s of the processor on them"
    return Figure(name, None, sum(row.seconds for one in filled for row in one.rows), note=note)


def _chance(one: CellResult) -> str:
    if one.accuracy is None or one.chance is None:
        return ""
    shifted = replace(one.accuracy, estimate=one.accuracy.estimate - one.chance, **_moved(one.accuracy, one.chance))
    return (
        f"; chance is {percent(one.chance)}, ours lies {signed(shifted.estimate)} points from it "
        f"({points_between(shifted)})"
    )


def _moved(effect: Effect, by: float) -> dict[str, float | None]:
    return {name: None if (value := getattr(effect, name)) is None else value - by for name in ("low", "high")}


def _between(effect: Effect) -> str:
    if effect.low is None or effect.high is None:
        return f"no interval, n = {count(effect.n)}"
    return f"{100 * effect.low:.1f} to {100 * effect.high:.1f} at 95 %, n = {count(effect.n)}"
