"""Verification against a JSON Schema."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn

from assay.components.scorers.verifiers.right import SCALE, check_name, judged, shown, wrong
from assay.core.lab import Lab
from assay.core.sample import Sample
from assay.core.score import Outcome, Scale, Score, Unscored
from assay.text.answers.code_blocks import blocks

if TYPE_CHECKING:
    from jsonschema.protocols import Validator

LONGEST = 100_000
"""Characters of JSON that are read."""
DEEPEST = 50
"""Brackets within brackets that are read."""


@dataclass(frozen=True)
class JsonMatches:
    """1 where an answer is JSON that matches a JSON Schema, else 0: JSON as a whole, or in its last ```json block.

    The schema is `schema`, or of each sample what its field `schema_field` holds. It is JSON Schema of draft 2020-12,
    or the one that its "$schema" names, by the library jsonschema; "format" says nothing there, as the standard has it.
    No `$ref` is ever fetched. `schema` is checked when the component is made; a sample whose own schema is none is
    Unscored. NaN, Infinity, text after the JSON, and more than 100,000 characters or 50 levels are no JSON here. Where
    answer and schema together take more than two seconds, the sample is Unscored.
    """

    schema: Mapping[str, Any] | None = None
    schema_field: str = ""
    """A field with the schema as JSON, where `schema` is not given."""
    answer: str = "text"
    """The field that is looked at."""

    version: ClassVar[int] = 1
    scale: ClassVar[Scale] = SCALE

    def __post_init__(self) -> None:
        check_name("JsonMatches.answer", self.answer)
        if (self.schema is None) == (not self.schema_field):
            raise ValueError("JsonMatches needs either a schema or a schema_field, and not both.")
        if self.schema is not None:
            try:
                _validator(_plain(self.schema))
            except (TypeError, ValueError) as problem:
                raise ValueError(f"JsonMatches.schema must be a JSON Schema: {problem}.") from problem

    def score(self, samples: Sequence[Sample], lab: Lab) -> Sequence[Outcome]:
        if self.schema is None:
            return judged(samples, self.answer, self.schema_field, self._one)
        own = json.dumps(self.schema)
        return [self._one(sample.text(self.answer), own) for sample in samples]

    def _one(self, text: str, schema: str) -> Outcome:
        try:
            validator = _validator(schema)
        except ValueError as problem:
            return Unscored("not_applicable", f"{self.schema_field} is no JSON Schema: {shown(problem)}.")
        try:
            value = _read(text)
        except (ValueError, RecursionError) as problem:
            return wrong(f"It is no JSON: {shown(problem)}.")
        return _held(validator, value)


def _held(validator: Validator, value: object) -> Outcome:
    from assay.components.scorers.verifiers.json_schemas import SECONDS, broken_rule

    try:
        broken = broken_rule(validator, value)
    except TimeoutError:
        return Unscored("failed", f"To hold the answer against the schema took more than {SECONDS:g} s.")
    except Exception as error:  # what a schema that passed its check makes somebody else's library raise
        return Unscored("failed", f"The schema cannot be held against it: {type(error).__name__}: {shown(error)}")
    return wrong(f"{broken}.") if broken else Score(1.0, "It matches the schema.")


def _plain(schema: Mapping[str, Any]) -> str:
    """As JSON.

    Raises:
        TypeError: It would come back as something else.
        ValueError: It holds a number that is none in JSON.
    """
    text = json.dumps(schema, allow_nan=False)
    if json.loads(text) != schema:
        raise TypeError("names must be text, and lists must be lists")
    return text


@lru_cache(maxsize=64)
def _validator(schema: str) -> Validator:
    from assay.components.scorers.verifiers.json_schemas import compiled

    found = _parsed(schema)
    if not isinstance(found, dict):
        raise ValueError("it is no object")  # noqa: TRY004 -- JSON of another kind, not a Python type
    return compiled(found)


def _read(text: str) -> object:
    """The JSON that an answer is, or that stands in its last block marked json, else its last block without a word.

    Raises:
        ValueError: There is none.
        RecursionError: It is nested too deeply.
    """
    if not text.strip():
        raise ValueError("the answer is empty")
    fenced = blocks(text)
    marked = [block for block in fenced if block.language in ("json", "")]
    chosen = [block for block in marked if block.language] or marked
    return _parsed(chosen[-1].text if chosen else text)


def _parsed(text: str) -> object:
    if len(text) > LONGEST:
        raise ValueError(f"it is longer than {LONGEST:,} characters")
    try:
        found = json.loads(text, parse_constant=_constant, parse_float=_number)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error
    if _deep(found):
        raise ValueError(f"it is nested deeper than {DEEPEST} levels")
    return found


def _deep(found: object) -> bool:
    level = [found]
    for _ in range(DEEPEST + 1):
        level = [
            one
            for value in level
            if isinstance(value, dict | list)
            for one in (value.values() if isinstance(value, dict) else value)
        ]
    return bool(level)


def _number(text: str) -> float:
    found = float(text)
    if found in (float("inf"), float("-inf")):
        raise ValueError(f"{shown(text)} is too large a number")
    return found


def _constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not in JSON")
