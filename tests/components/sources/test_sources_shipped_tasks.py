"""The tasks that ship with assay match recipes/TASKS.md: counts, languages, kinds, no copies, correct answers."""

from __future__ import annotations

import json
import re
import tomllib
from collections import Counter
from collections.abc import Sequence
from functools import cache
from itertools import combinations, product
from pathlib import Path
from typing import Any

import pytest

from assay.components.sources.tasks.seed_tasks import SeedTasks
from assay.core.sample import Sample
from assay.text.similarity.lcs import lcs_length
from assay.text.similarity.rouge import rouge_f1
from assay.text.similarity.tokens import tokens
from labs import tiny_lab
from shared_data import shared

PARTS = {"seed": SeedTasks(), "held-out": SeedTasks(part="held-out")}
WORDS = cache(tokens)


@cache
def read(part: str, instances: str = "first") -> Sequence[Sample]:
    return SeedTasks(part=part, instances=instances).read(tiny_lab())  # type: ignore[arg-type]


def raw(part: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in PARTS[part].file.read_text(encoding="utf-8").splitlines()]


def likeness(first: str, second: str) -> float:
    """ROUGE-L F, as in the novelty filter."""
    return rouge_f1(lcs_length(WORDS(first), WORDS(second)), len(WORDS(first)), len(WORDS(second)))


def instructions(part: str, language: str = "") -> list[str]:
    return [s.text("instruction") for s in read(part) if language in ("", s.text("language"))]


@pytest.mark.parametrize(("part", "count"), [("seed", 184), ("held-out", 80)])
def test_half_are_korean_and_a_fifth_are_classification(part: str, count: int) -> None:
    samples = read(part)
    assert len(samples) == count
    assert count >= {"seed": 175, "held-out": 80}[part]
    assert Counter(s.text("language") for s in samples) == {"en": count // 2, "ko": count // 2}
    kinds = Counter((s.text("language"), s.text("classification")) for s in samples)
    assert kinds["en", "yes"] == kinds["ko", "yes"]
    assert sum(s.text("classification") == "yes" for s in samples) >= count / 5
    without = sum(not s.text("input") for s in samples)
    assert 0.4 <= without / count <= 0.6
    # The first few are of both languages and kinds, so that a small limit is a fair sample.
    few = samples[: count // 8]
    assert {(s.text("language"), s.text("classification")) for s in few} == set(product(("en", "ko"), ("yes", "no")))


def test_keys_ids_and_names_of_records() -> None:
    rows = [*raw("seed"), *raw("held-out")]
    assert {tuple(row) for row in rows} == {("id", "name", "language", "instruction", "instances", "is_classification")}
    assert {tuple(instance) for row in rows for instance in row["instances"]} == {("input", "output")}
    for key in ("id", "name"):
        assert len({row[key] for row in rows}) == len(rows)
    for part, prefix in (("seed", "seed"), ("held-out", "held")):
        nth = Counter[str]()
        for row in raw(part):
            assert row["id"] == f"{prefix}_{row['language']}_{nth[row['language']]:03}"
            nth[row["language"]] += 1
            assert re.fullmatch(r"[a-z0-9]+(_[a-z0-9]+)*", row["name"])


def test_lengths_and_scripts() -> None:
    for sample in [*read("seed", "all"), *read("held-out", "all")]:
        assert 1 <= len(sample.text("output").split()) <= 120
        if sample.text("language") == "ko":
            assert re.search("[가-힣]", sample.text("instruction"))
        else:
            assert not re.search("[가-힣]", sample.text("instruction"))


def test_instructions_are_dissimilar() -> None:
    for first, second in combinations(instructions("seed") + instructions("held-out"), 2):
        assert likeness(first, second) <= 0.7, (first, second)
    for language in ("en", "ko"):
        for first, second in product(instructions("seed", language), instructions("held-out", language)):
            assert likeness(first, second) <= 0.5, (first, second)


def test_instructions_do_not_copy_self_instruct_or_alpaca() -> None:
    folder = shared("self-instruct-seed-tasks.jsonl", "alpaca-9k.jsonl")
    ours = instructions("seed") + instructions("held-out")
    theirs = SeedTasks(str(folder / "self-instruct-seed-tasks.jsonl")).read(tiny_lab())
    for text, original in product(ours, theirs):
        assert likeness(text, original.text("instruction")) <= 0.8, (text, original.text("instruction"))
    alpaca = SeedTasks(str(folder / "alpaca-9k.jsonl"), unanswered="skip").read(tiny_lab())
    words = {tuple(WORDS(sample.text("instruction"))) for sample in [*theirs, *alpaca]}
    assert not words & {tuple(WORDS(text)) for text in ours}


def test_classification_outputs_are_labels_of_the_instruction() -> None:
    answers: dict[str, list[str]] = {}
    for sample in [*read("seed", "all"), *read("held-out", "all")]:
        if sample.text("classification") == "yes":
            label = rf"(?<![a-zA-Z-]){re.escape(sample.text('output'))}(?![a-zA-Z-])"
            assert re.search(label, sample.text("instruction")), dict(sample.fields)
            answers.setdefault(sample.text("instruction"), []).append(sample.text("output"))
    for labels in answers.values():
        assert 2 <= len(labels) <= 3
        assert len(set(labels)) > 1  # one label alone would show no choice


SUMS: dict[str, list[str]] = {
    "shopping_total": [f"{3 * 0.40 + 2:.2f} dollars"],
    "film_length": [f"{135 // 60} hours and {135 % 60} minutes"],
    "next_number": [str(2**5)],
    "celsius_to_fahrenheit": [str(20 * 9 // 5 + 32)],
    "carpet_area": [f"{4 * 3} square metres"],
    "average_speed": [f"{36 // 2} kilometres an hour"],
    "coat_discount": [f"{80 * 75 // 100} dollars"],
    "count_vowels": [str(sum(letter in "aeiou" for letter in "banana"))],
    "word_backwards": ["lemon"[::-1]],
    "alphabetical_order": [", ".join(sorted(["pear", "apple", "cherry", "banana"]))],
    "egg_boxes": [f"{-(-40 // 6)} boxes"],
    "seconds_in_minutes": [f"{5 * 60} seconds"],
    "rent_per_month": [f"{9600 // 12} dollars"],
    "odd_even": [("even", "odd")[47 % 2], ("even", "odd")[130 % 2]],
    "bus_fare": [f"{1500 * 4:,}원"],
    "pyeong_to_square": [f"{20 * 33 // 10}제곱미터"],
    "age_puzzle": [f"15 - 3 = {15 - 3}"],
    "rice_cake_share": [f"{48 // 6}개"],
    "market_change": [f"{20_000 - 3 * 4_000:,}원"],
    "ktx_arrival": [f"{(9 * 60 + 40 + 2 * 60 + 35) // 60}시 {(9 * 60 + 40 + 2 * 60 + 35) % 60}분"],
    "discount_price": [f"{30_000 * 80 // 100:,}원"],
    "rectangle_field": [f"{2 * (12 + 7)}미터"],
    "number_pattern_ko": [str(11 + 3 + 3)],
    "number_bigger_100": ["작다" if 37 + 58 < 100 else "크다", "작다" if 12 * 9 < 100 else "크다"],
    "wage_calc": [f"{10_000 * 5 * 4:,}원"],
    "length_unit": [f"{25 * 100:,}미터"],
    "loop_count": [f"{sum(range(4))}개"],
    "explain_loop": ["{}, {} and {}".format(*(n * n for n in range(3)))],
    "python_bug_sum": [f"{sum(range(1, 11))}가 나옵니다"],
}


def outputs(name: str) -> list[str]:
    return [s.text("output") for s in [*read("seed", "all"), *read("held-out", "all")] if s.text("name") == name]


@pytest.mark.parametrize("name", SUMS)
def test_calculations_are_correct(name: str) -> None:
    texts = outputs(name)
    assert texts
    for nth, expected in enumerate(SUMS[name]):
        assert re.search(rf"(?<![\d.]){re.escape(expected)}(?!\d)", texts[min(nth, len(texts) - 1)]), (texts, expected)


CODE: dict[str, list[tuple[str, Any]]] = {
    "python_is_even": [("is_even(4)", True), ("is_even(7)", False)],
    "python_fix_larger": [("larger(2, 9)", 9), ("larger(9, 2)", 9)],
    "python_sum_list": [("average([1, 2, 6])", 3)],
    "python_reverse": [("backwards('abc')", "cba")],
    "python_greet": [("greet('하늘')", "하늘님, 반갑습니다")],
}


@pytest.mark.parametrize("name", CODE)
def test_python_outputs_run(name: str) -> None:
    space: dict[str, Any] = {}
    exec(outputs(name)[0], space)  # written here, not by a model
    for call, value in CODE[name]:
        assert eval(call, space) == value


def test_json_outputs_parse() -> None:
    assert json.loads(outputs("csv_to_json")[0]) == {"name": "Ada", "city": "London", "age": 36}
    assert json.loads(outputs("order_json")[0]) == {"menu": "김밥", "count": 2, "price": 7000}


def test_data_card_has_the_counts() -> None:
    card = (SeedTasks().file.parent / "TASKS.md").read_text(encoding="utf-8")
    rows = {cells[0]: [int(cell) for cell in cells[1:]] for cells in _table(card)}
    for part, source in PARTS.items():
        samples = source.read(tiny_lab())
        kinds = Counter((s.text("language"), s.text("classification")) for s in samples)
        english, korean = (kinds[language, "yes"] + kinds[language, "no"] for language in ("en", "ko"))
        both = kinds["en", "yes"] + kinds["ko", "yes"]
        without = sum(not s.text("input") for s in samples)
        pairs = len(read(part, "all"))
        assert rows[source.file.name] == [len(samples), english, korean, both, without, pairs]


def test_data_and_cards_are_packaged() -> None:
    project = Path(__file__).parents[3]
    data = tomllib.loads((project / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["setuptools"]["package-data"]
    package = project / "src" / "assay"
    packed = {file.name for pattern in data["assay"] for file in package.glob(pattern)}
    for name in (
        *("seed-tasks.jsonl", "held-out-tasks.jsonl", "TASKS.md"),
        *("misconceptions.jsonl", "requests.jsonl", "AUXILIARY_EVALUATION.md"),
    ):
        assert (package / "recipes" / name).is_file()
        assert name in packed


def _table(card: str) -> list[list[str]]:
    lines = [line.strip("| ").split(" | ") for line in card.splitlines() if line.startswith("| `")]
    return [[cell.strip(" `") for cell in cells] for cells in lines]
