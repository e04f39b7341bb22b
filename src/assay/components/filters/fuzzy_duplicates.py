"""Fuzzy deduplication by MinHash and locality-sensitive hashing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import ClassVar, Literal

from assay.components.filters.columns import check_choice
from assay.core.errors import require
from assay.core.roles import Decision, ScoreTable
from assay.text.similarity.tokens import normalize_case, tokens

MAX_MISS_PROBABILITY = 0.001
"""Maximum probability to miss a pair exactly at the threshold."""
CACHE_SIZE = 20_000
"""Number of cached sets of shingles."""
By = Literal["words", "characters"]
Shingles = frozenset[str]


@dataclass(frozen=True)
class FuzzyDuplicates:
    """Drop a sample whose text has a Jaccard index of `jaccard` or more with an earlier one that was kept.

    The index is that of their sets of shingles: runs of `ngram` words or characters (Broder 1997). MinHash with banding
    finds candidates (Leskovec, Rajaraman and Ullman, Mining of Massive Datasets, 3.3 and 3.4; datasketch), which are
    then compared exactly: there are no false positives, and the reason names the most similar candidate. Greedy, in the
    order of the samples, as `Novel`.

    A pair may be missed. With r rows in each of b bands, a pair of index s is found with probability 1 - (1 - s^r)^b. r
    is the largest number for which a pair exactly at the threshold is missed with a probability of at most 0.001, and b
    is the number of bands that the permutations allow. Pairs above the threshold are missed less often.

    Words are those of `text/similarity/tokens.py`, in Korean, Chinese or Thai single characters; characters are those
    after NFKC normalization and case folding, with runs of white space as one space. A text with fewer than `ngram` of
    them is a single shingle. A text without words is compared by its characters; an empty text is kept.
    """

    text: str = "output"
    """Field to compare."""
    jaccard: float = 0.8
    ngram: int = 3
    """Words in a shingle; for characters use 5 or more."""
    by: By = "words"
    permutations: int = 128
    seed: int = 1
    """Seed of the permutations."""

    version: ClassVar[int] = 1
    ordered: ClassVar[bool] = True

    def __post_init__(self) -> None:
        check_choice("FuzzyDuplicates", "by", self.by, ("words", "characters"))
        if not 0 < self.jaccard <= 1:
            raise ValueError(f"FuzzyDuplicates.jaccard must be above 0 and at most 1, was {self.jaccard}.")
        if self.ngram < 1:
            raise ValueError(f"FuzzyDuplicates.ngram must be at least 1, was {self.ngram}.")
        if not 2 <= self.permutations <= 4096:
            raise ValueError(f"FuzzyDuplicates.permutations must be 2 to 4096, was {self.permutations}.")
        if not 0 <= self.seed < 2**32:
            raise ValueError(f"FuzzyDuplicates.seed must be 0 to 2**32 - 1, was {self.seed}.")
        lost = miss_probability(self.jaccard, *self.bands)
        if lost > MAX_MISS_PROBABILITY:
            raise ValueError(
                f"FuzzyDuplicates.permutations must be more for jaccard {self.jaccard:g}, was "
                f"{self.permutations}: a pair would be missed with a probability of {lost:.2g}."
            )

    @property
    def bands(self) -> tuple[int, int]:
        """Number of bands, and rows in each."""
        rows = range(self.permutations // 2, 1, -1)
        fit = (r for r in rows if miss_probability(self.jaccard, self.permutations // r, r) <= MAX_MISS_PROBABILITY)
        best = next(fit, 1)
        return self.permutations // best, best

    def decide(self, table: ScoreTable) -> Sequence[Decision]:
        if not len(table):
            return []
        rule = f"no kept twin with a Jaccard index of {self.text} >= {self.jaccard:g}"
        decisions = []
        for twin, index in self._twins(table.field_values(self.text)):
            if twin is None:
                decisions.append(Decision(True, rule, "no twin was kept before it"))
            else:
                decisions.append(Decision(False, rule, f"like {table.ids[twin]}: Jaccard index {index:.4f}"))
        return decisions

    def _twins(self, texts: Sequence[str]) -> list[tuple[int | None, float]]:
        """Return for each text the most similar earlier text that was kept, the first of equals, and their index."""
        datasketch = require("datasketch", "text")  # imports scipy, half a second

        shingles_of: Callable[[int], Shingles] = lru_cache(maxsize=CACHE_SIZE)(
            lambda row: shingles(texts[row], self.ngram, self.by)
        )
        blank = datasketch.MinHash(self.permutations, seed=self.seed)
        kept_index = datasketch.MinHashLSH(num_perm=self.permutations, params=self.bands)
        twins: list[tuple[int | None, float]] = []
        for row in range(len(texts)):
            text_shingles = shingles_of(row)
            signature = blank.copy()
            signature.update_batch(shingle.encode("utf-8", "surrogatepass") for shingle in sorted(text_shingles))
            near = kept_index.query(signature) if text_shingles else []
            best, index = self._nearest(text_shingles, sorted(near), shingles_of)
            twins.append((best, index))
            if text_shingles and best is None:
                kept_index.insert(row, signature)
        return twins

    def _nearest(
        self, text_shingles: Shingles, near: Sequence[int], shingles_of: Callable[[int], Shingles]
    ) -> tuple[int | None, float]:
        best, highest = None, 0.0
        for row in near:
            other = shingles_of(row)
            both = len(text_shingles & other)
            index = both / (len(text_shingles) + len(other) - both)
            if index >= self.jaccard and index > highest:
                best, highest = row, index
        return best, highest


def miss_probability(jaccard: float, bands: int, rows: int) -> float:
    """Probability that a pair of this index shares no band (Mining of Massive Datasets, 3.4.2)."""
    return float((1 - jaccard**rows) ** bands)


def shingles(text: str, ngram: int, by: By) -> Shingles:
    """Return runs of `ngram` words or characters: the whole text if it is shorter, none if it is blank."""
    parts: Sequence[str] = tokens(text) if by == "words" else ()
    glue = " " if parts else ""
    parts = parts or " ".join(normalize_case(text).split())
    if not parts:
        return frozenset()
    count = max(1, len(parts) - ngram + 1)
    return frozenset(glue.join(parts[start : start + ngram]) for start in range(count))
