"""Arms of a proof: the training sets that are compared, and their names.

`filtered-32` is a random subset of 32 samples of `filtered`; `filtered@bare` uses the trainer "bare" of
`prove.variants`; `base@large` is the model that the variant "large" starts from. The name of a variant is also an arm:
"dpo" is `filtered@dpo`. So is the name of one of the recipe's `models`, which is measured without further training.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from assay.core.errors import RecipeError, did_you_mean

ARMS: Mapping[str, str] = {
    "real": "real samples, in the number that the filters kept (upper reference)",
    "unfiltered": "every generated sample that can be trained on",
    "filtered": "samples that passed every filter",
    "random-subset": "a random subset of the generated samples, of the size that the filters kept",
    "permuted-labels": "samples that passed every filter, with permuted labels (chance baseline)",
    "real-few-shot": "a few real samples of each label, without generated ones",
    "real+synthetic": "samples that passed every filter, and the real samples of `real-few-shot`",
    "nearest-real": "for each sample that passed, the most similar real one (what a generator that copies is worth)",
    "base": "no training: the model that the others start from",
    "human": "all real samples, without generated ones",
    "human+synthetic": "samples that passed every filter, and all real samples",
}
"""Training set of each arm. Every arm takes the same number of optimizer steps."""
CURVE = "real-"
"""Prefix of the arms of `Proof.curve`: "real-20" trains on 20 real samples of each label."""
NEED_REAL = ("real", "real-few-shot", "real+synthetic", "nearest-real", "human", "human+synthetic")


def is_curve(name: str) -> bool:
    """Whether an arm is a point of `Proof.curve`."""
    return name.startswith(CURVE) and name.removeprefix(CURVE).isdigit()


BASE = "base"
"""The arm that is not trained."""
OWN = "own"
"""Kind of an arm that is one of the recipe's `models`; not the name of an arm."""
TRAINED = "trained:"
"""Prefix of a reference to one of the recipe's `models`."""
SIZED = ("unfiltered", "filtered", "random-subset", "human", "human+synthetic")
"""Arms that support a size."""
_NAME = re.compile(r"(?P<kind>[a-z+-]+?)(-(?P<size>\d+))?(@(?P<variant>[\w-]+))?")


@dataclass(frozen=True)
class ArmName:
    """Parsed name of an arm."""

    kind: str
    """One of `ARMS`, or `OWN`."""
    size: int | None = None
    """Maximum number of samples."""
    variant: str = ""
    """Trainer variant; "" for the recipe's trainer. For `OWN` the name of the model."""

    @property
    def description(self) -> str:
        """Training set and trainer."""
        if self.kind == OWN:
            return "no further training: one of the recipe's models"
        parts = [ARMS[self.kind]]
        if self.size is not None:
            parts.append(f"a random subset of {self.size}")
        if self.variant:
            parts.append(f"{'of' if self.kind == BASE else 'by'} the variant {self.variant!r}")
        return "; ".join(parts)


def arm_name(name: str, variants: Collection[str] = (), models: Collection[str] = ()) -> ArmName:
    """Parse the name of an arm; `variants` and `models` are names in the recipe.

    Raises:
        RecipeError: Unknown arm, or an arm of which no subset can be taken.
    """
    if name in variants:
        return ArmName("filtered", variant=name)
    if name in models:
        return ArmName(OWN, variant=name)
    match = _NAME.fullmatch(name)
    if match is None or match["kind"] not in ARMS:
        raise RecipeError(f"There is no arm {name!r}.", hint=did_you_mean(name, [*ARMS, *variants, *models]))
    size = int(match["size"]) if match["size"] else None
    if size is not None and (match["kind"] not in SIZED or size < 1):
        raise RecipeError(
            f"There is no arm {name!r}: a number of 1 or more may follow {', '.join(SIZED)}.",
            hint=f"For {match['kind']} samples of each label there is prove.curve." if match["kind"] == "real" else "",
        )
    return ArmName(match["kind"], size, match["variant"] or "")


def is_base(name: str) -> bool:
    """Whether an arm is an untrained base model."""
    return name.partition("@")[0] == BASE
