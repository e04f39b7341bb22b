"""Train-test leakage: exact and near duplicates."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay.core.errors import RecipeError
from assay.core.sample import Image, Sample
from assay.core.score import Fingerprint, Outcome, Unscored
from assay.pipeline.stages.leakage import Leaks, check_no_leaks, content_of, count_leaks, read_leaks, write_leaks


def image(nth: int, label: str = "bag", origin: str = "here") -> Sample:
    return Sample({"label": label, "origin": origin, "image": Image(f"{nth:064d}", 8, 8)}, nth=nth)


def looks(samples: list[Sample], angles: list[float]) -> dict[str, Outcome]:
    return {s.id: Fingerprint((float(np.cos(a)), float(np.sin(a)))) for s, a in zip(samples, angles, strict=True)}


@given(st.sets(st.integers(0, 30)), st.sets(st.integers(0, 30)))
def test_exact_duplicates_are_the_intersection(training: set[int], held_out: set[int]) -> None:
    ours = [image(nth, origin="train") for nth in training]
    theirs = [image(nth, label="coat", origin="test") for nth in held_out]
    leaks = count_leaks("real", ours, theirs, 0.99)
    assert (leaks.exact, leaks.near) == (len(training & held_out), None)
    assert (leaks.samples, leaks.held_out) == (len(training), len(held_out))


def test_near_duplicates_are_found_by_fingerprints_and_counted_once() -> None:
    ours, theirs = [image(nth) for nth in range(4)], [image(nth) for nth in (0, 10, 11, 12)]
    prints = looks(ours, [0.0, 1.0, 2.0, 2.001]), looks(theirs, [0.0, 1.01, 2.0005, 3.0])
    leaks = count_leaks("real", ours, theirs, 0.999, prints)
    assert (leaks.exact, leaks.near) == (1, 2)
    assert leaks.pairs[0] == (theirs[0].id, ours[0].id)
    assert leaks.pairs[1] == (theirs[1].id, ours[1].id)
    prints[1][theirs[1].id] = Unscored("failed", "does not decode")
    assert count_leaks("real", ours, theirs, 0.999, prints).near == 1
    assert count_leaks("real", ours, theirs, 1.0, prints).near == 0


def test_texts_are_compared_without_case_and_whitespace() -> None:
    ours = [Sample({"instruction": "Add  two\nnumbers", "label": "x"})]
    theirs = [Sample({"instruction": "add two numbers", "label": "y"}), Sample({"instruction": "Subtract them"})]
    assert count_leaks("generate", ours, theirs, 0.9).exact == 1
    assert content_of(Sample({"prompt": "a bag", "image": Image("0" * 64, 8, 8)})) == content_of(
        Sample({"prompt": "a coat", "image": Image("0" * 64, 8, 8)})
    )


def test_a_strict_run_stops_at_leakage_and_names_a_pair(tmp_path: Path) -> None:
    clean, leaky = Leaks("real", 5, 10, 0, None, 0.9), Leaks("generate", 5, 10, 1, 2, 0.9, (("one", "other"),))
    check_no_leaks([clean])
    with pytest.raises(RecipeError, match=r"'generate'.*one.*other"):
        check_no_leaks([clean, leaky])
    write_leaks(tmp_path, [clean, leaky])
    assert read_leaks(tmp_path) == [clean, leaky]


def test_other_fields_do_not_hide_a_duplicate() -> None:
    """Generated texts and tasks have fields, such as their prompt, that held-out ones lack."""
    held_out = [
        Sample({"text": "It was  cold.", "label": "other", "origin": "a.csv:2"}),
        Sample({"instruction": "Name a river.", "input": "", "output": "The Rhine", "origin": "b.jsonl:1"}),
        Sample({"instruction": "Name a river.", "input": "in Korea", "output": "The Han"}),
    ]
    generated = [
        Sample({"text": "it was cold.", "prompt": "Write.", "end": "stop", "label": "great"}, made_by="GenerateTexts"),
        Sample({"instruction": "name a RIVER.", "output": "The Elbe", "rejected": "", "call": "3"}, made_by="other"),
        Sample({"text": "It was warm.", "prompt": "Write.", "end": "stop"}, made_by="GenerateTexts"),
    ]
    leaks = count_leaks("generate", generated, held_out, 0.999)
    assert leaks.exact == 2
    assert leaks.pairs == ((held_out[0].id, generated[0].id), (held_out[1].id, generated[1].id))


def test_dialogues_with_equal_last_turns_are_not_duplicates() -> None:
    ours, theirs, same = (
        Sample({"instruction": "Go on.", "history": history}, nth=len(history)) for history in ("a", "b", "A")
    )
    assert count_leaks("generate", [ours], [theirs], 0.9).exact == 0
    assert count_leaks("generate", [ours], [same], 0.9).exact == 1
    bare, blank = Sample({"instruction": "Go on."}), Sample({"instruction": "Go on.", "input": "", "history": ""})
    assert count_leaks("generate", [bare], [blank], 0.9).exact == 1
