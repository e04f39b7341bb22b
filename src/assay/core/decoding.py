"""Decoding settings of language models, and their command-line notation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Literal, TypeAlias

from assay.core.errors import UserError, did_you_mean

Strategy: TypeAlias = Literal["greedy", "beam", "sample"]
STRATEGIES = ("greedy", "beam", "sample")
SAMPLING = ("temperature", "top_k", "top_p", "min_p")
"""Fields that only apply to sampling."""


@dataclass(frozen=True)
class Decoding:
    """Complete decoding settings; every field affects the output.

    Order as in transformers: repetition penalty (Keskar et al. 2019, section 4.1), temperature, top-k, top-p, min-p.

    Raises:
        ValueError: A value is outside its range, or belongs to another strategy.
    """

    strategy: Strategy = "greedy"
    beams: int = 1
    """Number of beams; 2 or more with "beam", else 1."""
    length_penalty: float = 1.0
    """Beam search divides scores by length ** this: 0 compares sums, 1 means; above 0 favors longer answers."""
    temperature: float = 1.0
    """Divides logits before the softmax; above 0."""
    top_k: int = 0
    """Sample from the k most probable tokens; 0 for all (Fan et al. 2018)."""
    top_p: float = 1.0
    """Nucleus sampling: smallest set of tokens with this total probability, in (0, 1] (Holtzman et al. 2020)."""
    min_p: float = 0.0
    """Minimum probability relative to the most probable token, in [0, 1) (Nguyen et al. 2024)."""
    repetition_penalty: float = 1.0
    """Divides positive and multiplies negative logits of earlier tokens; 1 for none."""
    stop: tuple[str, ...] = ()
    """Stop strings; not included in the answer."""
    max_tokens: int = 256
    answers: int = 1
    """Answers per request: with "beam" the best, at most `beams`; with "greedy" one."""
    seed: int = 0
    """Seed of sampling; each answer of a request has its own random stream."""

    def __post_init__(self) -> None:
        if self.strategy not in STRATEGIES:
            raise ValueError(f"Decoding.strategy must be one of {', '.join(STRATEGIES)}, was {self.strategy!r}.")
        for name, low, high in _BOUNDS:
            if not low <= (value := getattr(self, name)) <= high:
                raise ValueError(f"Decoding.{name} must be between {low:g} and {high:g}, was {value:g}.")
        # Also true for a bare string, which would otherwise be split into characters.
        if "" in self.stop:
            raise ValueError(f"Decoding.stop must be a tuple of strings, none of them empty, was {self.stop!r}.")
        self._check_strategy()

    def _check_strategy(self) -> None:
        if (self.strategy == "beam") != (self.beams > 1):
            raise ValueError(
                f"Decoding.beams must be 2 or more with 'beam' and 1 without, was {self.beams} with {self.strategy!r}."
            )
        for owner, names in (("sample", SAMPLING), ("beam", ("length_penalty",))):
            if self.strategy != owner and (wrong := [name for name in names if name in self.controls]):
                raise ValueError(
                    f"Decoding.{wrong[0]} applies to strategy {owner!r} only, was set with {self.strategy!r}."
                )
        if self.answers > 1 and self.answers > {"greedy": 1, "beam": self.beams, "sample": self.answers}[self.strategy]:
            raise ValueError(
                f"Decoding.answers must be at most {self.beams} with {self.strategy!r}, was {self.answers}."
            )

    @property
    def controls(self) -> frozenset[str]:
        """Names of controls that differ from their defaults and that a backend must support."""
        basic = ("strategy", "beams", "max_tokens", "answers", "seed")
        return frozenset(f.name for f in fields(self) if f.name not in basic and getattr(self, f.name) != f.default)


_BOUNDS = (
    ("beams", 1, 1024),
    ("length_penalty", -10.0, 10.0),
    ("temperature", 1e-3, 100.0),
    ("top_k", 0, 10**7),
    ("top_p", 1e-6, 1.0),
    ("min_p", 0.0, 0.999999),
    ("repetition_penalty", 0.1, 10.0),
    ("max_tokens", 1, 10**6),
    ("answers", 1, 1024),
    ("seed", 0, 2**63 - 1),
)


CONTROLS: Mapping[str, type[int] | type[float]] = {
    "top-k": int,
    "top-p": float,
    "min-p": float,
    "temperature": float,
    "length-penalty": float,
    "repetition-penalty": float,
}
EXAMPLES = "greedy, beam:4, top-p:0.9,temperature:0.7"


def parse_strategy(text: str, **common: Any) -> Decoding:
    """Parse a decoding strategy; `common` gives the fields that `text` does not set.

    Comma-separated parts: greedy, sample, or "beam:4"; and controls with a value, as in "top-p:0.9". Without greedy or
    beam the strategy is sampling, so "top-k:50" is "sample,top-k:50". Case and surrounding spaces are ignored.

    Raises:
        UserError: An unknown part (with the nearest name), a missing, extra or invalid value, a repeated part, a value
            outside its range, or a control of another strategy.
    """
    settings: dict[str, Any] = {}
    for part in text.split(","):
        for name, value in _field(part).items():
            if name in settings:
                raise UserError(f"{text!r} sets {name.replace('_', '-')} twice.", hint=f"For example: {EXAMPLES}.")
            settings[name] = value
    try:
        return Decoding(**{**common, "strategy": "sample", **settings})
    except ValueError as error:
        raise UserError(f"{text!r} is not a valid decoding strategy: {error}") from error


def _field(part: str) -> dict[str, Any]:
    """Fields of one part."""
    name, colon, value = (piece.strip() for piece in part.casefold().partition(":"))
    if name == "beam":
        return {"strategy": name, "beams": _number("beam", value, int, "beam:4")}
    if name in STRATEGIES:
        if colon:
            raise UserError(f"{name!r} takes no value, had {value!r}.", hint=f"For example: {EXAMPLES}.")
        return {"strategy": name}
    if name not in CONTROLS:
        raise UserError(f"Unknown decoding strategy {name!r}.", hint=did_you_mean(name, (*STRATEGIES, *CONTROLS)))
    example = f"{name}:{50 if CONTROLS[name] is int else 0.8}"
    return {name.replace("-", "_"): _number(name, value, CONTROLS[name], example)}


def _number(name: str, value: str, kind: type[int] | type[float], example: str) -> float:
    try:
        return kind(value)
    except ValueError:
        article = "a whole number" if kind is int else "a number"
        raise UserError(f"{name!r} needs {article}, had {value!r}.", hint=f"For example: {example}.") from None
