"""How a language model is made to choose its words."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Literal, TypeAlias

Strategy: TypeAlias = Literal["greedy", "beam", "sample"]
STRATEGIES = ("greedy", "beam", "sample")
SAMPLING = ("temperature", "top_k", "top_p", "min_p")
"""Fields that only sampling looks at."""


@dataclass(frozen=True)
class Decoding:
    """One way to decode, whole: every field takes part in what comes out.

    Cuts are made in the order of transformers: temperature, then top-k, then top-p, then min-p; the repetition penalty
    comes before all of them (Keskar et al. 2019, section 4.1).

    Raises:
        ValueError: A value lies outside its range, or belongs to another strategy.
    """

    strategy: Strategy = "greedy"
    beams: int = 1
    """Hypotheses that beam search keeps; 2 or more with "beam", else 1."""
    length_penalty: float = 1.0
    """With "beam", scores are divided by length ** this: 0 compares sums, 1 means; above 0 favors longer answers."""
    temperature: float = 1.0
    """Logits are divided by it before the softmax; above 0."""
    top_k: int = 0
    """Only the k most probable tokens are drawn from; 0 for all (Fan et al. 2018)."""
    top_p: float = 1.0
    """Only the fewest tokens that hold this share together, in (0, 1] (Holtzman et al. 2020)."""
    min_p: float = 0.0
    """Only tokens at least this share as probable as the most probable one, in [0, 1) (Nguyen et al. 2024)."""
    repetition_penalty: float = 1.0
    """What logits of tokens that were there already are divided (if above 0) or multiplied by; 1 for none."""
    stop: tuple[str, ...] = ()
    """An answer ends before the first of these."""
    max_tokens: int = 256
    answers: int = 1
    """How many to give; with "beam" the best ones, at most `beams`; with "greedy" one."""
    seed: int = 0
    """Of sampling; the nth answer of a request draws from its own stream."""

    def __post_init__(self) -> None:
        if self.strategy not in STRATEGIES:
            raise ValueError(f"Decoding.strategy must be one of {', '.join(STRATEGIES)}, was {self.strategy!r}.")
        for name, low, high in _BOUNDS:
            if not low <= (value := getattr(self, name)) <= high:
                raise ValueError(f"Decoding.{name} must be between {low:g} and {high:g}, was {value:g}.")
        # Also true of one bare string, which would otherwise be read letter by letter.
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
                    f"Decoding.{wrong[0]} belongs to {owner!r} and would change nothing in {self.strategy!r}."
                )
        if self.answers > 1 and self.answers > {"greedy": 1, "beam": self.beams, "sample": self.answers}[self.strategy]:
            raise ValueError(
                f"Decoding.answers must be at most {self.beams} with {self.strategy!r}, was {self.answers}."
            )

    @property
    def controls(self) -> frozenset[str]:
        """Fields beside the strategy that are set to something: what a backend must heed."""
        usual = ("strategy", "beams", "max_tokens", "answers", "seed")
        return frozenset(f.name for f in fields(self) if f.name not in usual and getattr(self, f.name) != f.default)


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
