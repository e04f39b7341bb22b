"""Published figures of preferences and judges, from what was recorded of them; for published.py."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from figures import Figure, Found, Missing, column, file, number, table

from assay.components.sources.files.judgments import read_votes
from assay.components.sources.files.records import Record, jsonl_records
from assay.core.errors import SourceError
from assay.stats.ratings.agreement import accuracy, position_consistency
from assay.stats.ratings.length_control import Benchmark, LengthControlled, length_controlled
from assay.stats.ratings.rating_models import bradley_terry, elo

ITEMS = ("difficulty", "baseline_characters", "verbose_characters", "concise_characters")
ANNOTATIONS = ("model", "item", "preference", "model_characters", "baseline_characters")
RATES = (
    ("win rate", "win_rate", 1e-3),
    ("standard error", "standard_error", 1e-3),
    ("length-controlled", "length_controlled_win_rate", 0.35),
)
"""Name, column of published.csv, and how far ours may lie from it, in points."""
LLMBAR = {"gpt-4": (95.5, 95.0), "chatgpt": (81.5, 71.0)}
"""Zeng et al. 2024: accuracy and agreement of both orders on the Natural set with vanilla prompts, percent."""
LLMBAR_PAIRS = 100
"""Of the Natural set; figures of other pairs have nothing published beside them."""
LLMBAR_COLUMNS = ("label", "winner_as_given", "winner_swapped")


def alpaca_eval(folder: Path) -> Iterator[Found]:
    """Win rates to 1e-3 points; length-controlled ones within 0.35 points, and 0.05 on average."""
    paths = [file(folder, f"alpaca-eval/{name}.csv") for name in ("items", "annotations", "published")]
    items = table(paths[0], "item", *ITEMS)
    benchmark = Benchmark(*(column(items, name) for name in ITEMS))
    place = {row.text("item"): nth for nth, row in enumerate(items)}
    annotations: dict[str, list[Record]] = defaultdict(list)
    for row in table(paths[1], *ANNOTATIONS):
        if row.text("item") not in place:
            raise row.problem(f"there is no item {row.text('item')!r} in items.csv.")
        annotations[row.text("model")].append(row)
    published = {row.text("model"): row for row in table(paths[2], "model", *(rate[1] for rate in RATES))}
    apart = []
    for model in dict.fromkeys((*published, *annotations)):
        if model not in annotations:
            yield f"AlpacaEval 2: {model} is left out, annotations.csv has none of it"
            continue
        for figure in _alpaca_model(model, annotations[model], place, benchmark, published.get(model)):
            yield figure
            if figure.name.endswith(RATES[2][0]) and figure.difference is not None:
                apart.append(abs(figure.difference))
    if apart:
        yield Figure("AlpacaEval 2, length-controlled, mean distance", 0.0, float(np.mean(apart)), 0.05)


def _alpaca_model(
    model: str, own: list[Record], place: dict[str, int], benchmark: Benchmark, published: Record | None
) -> Iterator[Figure]:
    try:
        found = _controlled(own, place, benchmark)
    except ValueError as error:
        raise SourceError(f"AlpacaEval 2, {model}: {error}") from error
    ours = (found.win_rate, found.standard_error or 0.0, found.length_controlled)
    for (name, cell, bound), value in zip(RATES, ours, strict=True):
        said = number(published, cell) if published is not None else None
        yield Figure(f"AlpacaEval 2, {model}, {name}", said, 100 * value, bound if said is not None else None)


def _controlled(own: list[Record], place: dict[str, int], benchmark: Benchmark) -> LengthControlled:
    """The figures of one model; those of the baseline against itself are one half by definition."""
    preferences = column(own, "preference")
    mine, base = column(own, "model_characters"), column(own, "baseline_characters")
    if (mine == base).all() and np.isin(preferences, (0, 1.5)).all():
        return LengthControlled(0.5, 0.0, 0.5, 0.0, 0.0, 0.0)
    return length_controlled(preferences, mine, base, [place[row.text("item")] for row in own], benchmark)


def llmbar(folder: Path) -> Iterator[Found]:
    """The mean accuracy of both orders and how often they agree, of the judges that are there."""
    for path in llmbar_files(folder):
        judge = path.stem.removeprefix("llmbar-natural-")
        rows = jsonl_records(path, LLMBAR_COLUMNS, "pairs with a label and what a judge chose in both orders")
        if not rows:
            raise SourceError(f"{path} holds no pairs.")
        gold, given, swapped = ([_chosen(row.values[name]) for row in rows] for name in LLMBAR_COLUMNS)
        right = 50 * (accuracy(given, gold).estimate + accuracy(swapped, gold).estimate)
        agreed = 100 * position_consistency(given, swapped).agreement.estimate
        whole = len(rows) == LLMBAR_PAIRS
        note = "" if whole or judge not in LLMBAR else f"published for {LLMBAR_PAIRS} pairs, here are {len(rows)}"
        published = LLMBAR.get(judge, (None, None)) if whole else (None, None)
        for name, said, ours in zip(("accuracy", "agreement"), published, (right, agreed), strict=True):
            yield Figure(
                f"LLMBar Natural, {judge}, {name}", said, ours, 1e-9 if said is not None else None, note=note
            )  # fmt: skip


def llmbar_files(folder: Path) -> list[Path]:
    """A judge each, or `Missing`."""
    paths = sorted(folder.glob("llmbar-natural-*.jsonl"))
    if not paths:
        raise Missing("llmbar-natural-*.jsonl")
    return paths


def _chosen(winner: object) -> int:
    """1 or 2; 0 where the judge named neither."""
    return int(str(winner)) if str(winner) in ("1", "2") else 0


def llmfao(folder: Path) -> Iterator[Found]:
    """Each model's strength to 1e-9; the rating of Elo's first, with K = 4 from 1000 in the file's order."""
    paths = [file(folder, name) for name in ("llmfao-votes.csv", "llmfao-bradley-terry.csv")]
    cast = read_votes(paths[0])
    try:
        strengths = dict(zip(cast.models, bradley_terry(cast).strengths, strict=True))
    except ValueError as error:
        raise SourceError(f"{paths[0]}: {error}") from error
    for row in table(paths[1], "item", "bradley_terry"):
        model = row.text("item")
        if model in strengths:
            yield Figure(f"llmfao, {model}, strength", number(row, "bradley_terry"), strengths[model], 1e-9)
        else:
            yield f"llmfao: {model} is left out, nobody voted on it"
    ratings = elo(cast, k=4, start=1000)
    first = int(ratings.argmax())
    yield Figure(f"llmfao, {cast.models[first]}, Elo's first (K = 4)", None, float(ratings[first]))
