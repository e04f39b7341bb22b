"""A page of decoding: a small model by hand, whose greedy text is not its most probable one."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from assay.core.decoding import Decoding
from assay.decoding.page import StrategyComparison, StrategyRun
from assay.text.decoding.logits import Logits
from assay.text.decoding.reference import decode

NEXT: dict[str, dict[str, float]] = {
    "The": {" cat": 0.42, " old": 0.36, " dog": 0.14, " b<b>d": 0.05, "\n": 0.02},
    " cat": {" sat": 0.3, " slept": 0.25, " saw": 0.22, " ran": 0.15, ".": 0.06},
    " dog": {" sat": 0.3, " barked": 0.5, " ran": 0.15, ".": 0.05},
    " old": {" man": 0.86, " cat": 0.08, " dog": 0.05},
    " man": {" slept": 0.82, " sat": 0.1, " ran": 0.05},
    " sat": {" down": 0.4, " on": 0.38, ".": 0.2},
    " slept": {".": 0.9, " on": 0.05, " down": 0.03},
    " saw": {" the": 0.9, " b<b>d": 0.05},
    " ran": {".": 0.5, " down": 0.3, " on": 0.15},
    " barked": {".": 0.8, " on": 0.15},
    " on": {" the": 0.9, ".": 0.08},
    " the": {" mat": 0.55, " old": 0.2, " dog": 0.2},
    " mat": {".": 0.9, " on": 0.05},
    " down": {".": 0.7, " on": 0.25},
    " b<b>d": {" sat": 0.4, " ran": 0.4, ".": 0.1},
    ".": {"</s>": 0.9, "\n": 0.08},
    "\n": {"The": 0.9},
    "</s>": {"</s>": 1.0},
}
TOKENS = tuple(NEXT)
EOS = TOKENS.index("</s>")
STRATEGIES = {
    "greedy": Decoding(max_tokens=10),
    "top-k:3": Decoding("sample", top_k=3, max_tokens=10, seed=3),
    "top-p:0.8,temperature:1.5": Decoding("sample", top_p=0.8, temperature=1.5, answers=2, max_tokens=10, seed=1),
    "beam:3": Decoding("beam", beams=3, answers=2, max_tokens=10),
}


def step(sequences: Sequence[Sequence[int]]) -> Logits:
    # No two alike, so that top-k has no ties.
    rows = np.tile(np.linspace(0.0006, 0.0004, len(TOKENS)), (len(sequences), 1))
    for row, ids in zip(rows, sequences, strict=True):
        for token, probability in NEXT[TOKENS[ids[-1]]].items():
            row[TOKENS.index(token)] = probability
    return np.log(rows / rows.sum(axis=1, keepdims=True))


def text_of(ids: Sequence[int]) -> str:
    return "".join(TOKENS[token] for token in ids)


def example() -> StrategyComparison:
    runs = tuple(
        StrategyRun(name, decode(step, [0], decoding, eos=(EOS,), detokenize=text_of), seconds=0.1 * (nth + 1))
        for nth, (name, decoding) in enumerate(STRATEGIES.items())
    )
    return StrategyComparison("<i>Once</i> upon a time.\nThe", runs, dict(enumerate(TOKENS)), model="a model by hand")
