"""The arms of a proof: their names, and what they say.

`filtered-32` learns from 32 of the samples of `filtered`, picked blindly; `filtered@bare` by the trainer that
`prove.variants` calls "bare"; `base@large` is the model that the variant "large" starts from. A variant's own name is
an arm too: "dpo" is `filtered@dpo`. So is the name of one of the recipe's `models`, which is measured as it is.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from assay.core.errors import RecipeError, did_you_mean

ARMS: Mapping[str, str] = {
    "real": "as many real samples as the filter kept: the ceiling",
    "unfiltered": "everything that was generated and can be learned from",
    "filtered": "what passed every filter",
    "random-subset": "as many generated samples as the filter kept, picked blindly: what dropping alone does",
    "permuted-labels": "what passed, with the labels dealt out again: the floor",
    "real-few-shot": "a few real samples of each label: what one would have without generating",
    "real+synthetic": "what passed, and the few real samples of `real-few-shot`",
    "nearest-real": "for each sample that passed, the real one most like it: what a mere copier is worth",
    "base": "nothing: the model that the others start from, as it is",
    "human": "every real sample that there is, and nothing generated",
    "human+synthetic": "what passed, and every real sample",
}
"""Arm to what it trains on. Every arm takes the same number of optimizer steps."""
CURVE = "real-"
"""How the arms of `Proof.curve` are called: "real-20" learns from 20 real samples of each label."""
NEED_REAL = ("real", "real-few-shot", "real+synthetic", "nearest-real", "human", "human+synthetic")


def is_curve(name: str) -> bool:
    """Whether an arm is a point of `Proof.curve`."""
    return name.startswith(CURVE) and name.removeprefix(CURVE).isdigit()


BASE = "base"
"""The arm that is not trained."""
OWN = "own"
"""The kind of an arm that is one of the recipe's `models`; no arm is called so."""
TRAINED = "trained:"
"""Before the name of one of the recipe's `models`: a reference to it, wherever a component names a model."""
SIZED = ("unfiltered", "filtered", "random-subset", "human", "human+synthetic")
"""Arms of which a part may be taken."""
_NAME = re.compile(r"(?P<kind>[a-z+-]+?)(-(?P<size>\d+))?(@(?P<variant>[\w-]+))?")


@dataclass(frozen=True)
class ArmName:
    """An arm's name, taken apart."""

    kind: str
    """One of `ARMS`, or `OWN`."""
    size: int | None = None
    """How many of its samples, at most."""
    variant: str = ""
    """Of the trainer; "" for the recipe's own. Of `OWN` the model's name."""

    @property
    def said(self) -> str:
        """What it learns from, and how."""
        if self.kind == OWN:
            return "no more: one of the recipe's models, as it is"
        parts = [ARMS[self.kind]]
        if self.size is not None:
            parts.append(f"of those {self.size}, picked blindly")
        if self.variant:
            parts.append(f"{'of' if self.kind == BASE else 'by'} the variant {self.variant!r}")
        return "; ".join(parts)


def arm_name(name: str, variants: Collection[str] = (), models: Collection[str] = ()) -> ArmName:
    """An arm's name, taken apart, in a recipe whose `prove.variants` and `models` have these names.

    Raises:
        RecipeError: There is no such arm, or no part of it can be taken.
    """
    if name in variants:
        return ArmName("filtered", variant=name)
    if name in models:
        return ArmName(OWN, variant=name)
    found = _NAME.fullmatch(name)
    if found is None or found["kind"] not in ARMS:
        raise RecipeError(f"There is no arm {name!r}.", hint=did_you_mean(name, [*ARMS, *variants, *models]))
    size = int(found["size"]) if found["size"] else None
    if size is not None and (found["kind"] not in SIZED or size < 1):
        raise RecipeError(
            f"There is no arm {name!r}: a number of 1 or more may follow {', '.join(SIZED)}.",
            hint=f"For {found['kind']} samples of each label there is prove.curve." if found["kind"] == "real" else "",
        )
    return ArmName(found["kind"], size, found["variant"] or "")


def is_base(name: str) -> bool:
    """Whether an arm is a model that was not trained."""
    return name.partition("@")[0] == BASE
