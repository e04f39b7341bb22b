"""Verification against a JSON Schema."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn

from assay.components.scorers.verifiers.outcomes import SCALE, check_name, compare_with, incorrect, quoted
from assay.core.lab import Lab
from assay.core.sample import Sample
from assay.core.score import Outcome, Scale, Score, Unscored
from assay.text.answers.code_blocks import blocks

if TYPE_CHECKING:
    from jsonschema.protocols import Validator

MAX_CHARACTERS = 100_000
"""Maximum length of JSON."""
MAX_DEPTH = 50
"""Maximum nesting of JSON."""


@dataclass(frozen=True)
class JsonMatches:
    """1 if an answer is JSON that matches a JSON Schema, else 0: the whole answer, or its last ```json block.

    The schema is `schema`, or that in the field `schema_field` of each sample. It is JSON Schema of draft 2020-12, or
    the draft that its "$schema" names, by the library jsonschema; "format" is not validated, as in the standard. No
    `$ref` is fetched. An invalid `schema` is an error at once; a sample with an invalid schema is unscored. NaN,
    Infinity, text after the JSON, more than 100,000 characters and more than 50 levels are not JSON here. If the
    validation takes more than two seconds, the sample is unscored.
    """

    schema: Mapping[str, Any] | None = None
    schema_field: str = ""
    """Field with the schema as JSON, if `schema` is not given."""
    answer: str = "text"
    """Field of the answer."""

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
            return compare_with(samples, self.answer, self.schema_field, self._verify)
        schema = json.dumps(self.schema)
        return [self._verify(sample.text(self.answer), schema) for sample in samples]

    def _verify(self, text: str, schema: str) -> Outcome:
        try:
            validator = _validator(schema)
        except ValueError as problem:
            return Unscored("not_applicable", f"{self.schema_field} is no JSON Schema: {quoted(problem)}.")
        try:
            value = _parse_answer(text)
        except (ValueError, RecursionError) as problem:
            return incorrect(f"It is no JSON: {quoted(problem)}.")
        return _validate(validator, value)


def _validate(validator: Validator, value: object) -> Outcome:
    from assay.components.scorers.verifiers.json_schemas import SECONDS, broken_rule

    try:
        broken = broken_rule(validator, value)
    except TimeoutError:
        return Unscored("failed", f"To hold the answer against the schema took more than {SECONDS:g} s.")
    except Exception as error:  # any exception of the library for a schema that passed its check
        return Unscored("failed", f"The schema cannot be held against it: {type(error).__name__}: {quoted(error)}")
    return incorrect(f"{broken}.") if broken else Score(1.0, "It matches the schema.")


def _plain(schema: Mapping[str, Any]) -> str:
    """Serialize a schema.

    Raises:
        TypeError: It does not survive a round trip.
        ValueError: It has a number that JSON lacks.
    """
    text = json.dumps(schema, allow_nan=False)
    if json.loads(text) != schema:
        raise TypeError("names must be text, and lists must be lists")
    return text


@lru_cache(maxsize=64)
def _validator(schema: str) -> Validator:
    from assay.components.scorers.verifiers.json_schemas import compiled

    content = _parsed(schema)
    if not isinstance(content, dict):
        raise ValueError("it is no object")  # noqa: TRY004 -- JSON of another kind, not a Python type
    return compiled(content)


def _parse_answer(text: str) -> object:
    """Parse an answer: its last block marked json, else its last unmarked block, else the whole answer.

    Raises:
        ValueError: It is not JSON.
        RecursionError: It is nested too deeply.
    """
    if not text.strip():
        raise ValueError("the answer is empty")
    marked = [block for block in blocks(text) if block.language in ("json", "")]
    chosen = [block for block in marked if block.language] or marked
    return _parsed(chosen[-1].text if chosen else text)


def _parsed(text: str) -> object:
    if len(text) > MAX_CHARACTERS:
        raise ValueError(f"it is longer than {MAX_CHARACTERS:,} characters")
    try:
        content = json.loads(text, parse_constant=_constant, parse_float=_number)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error
    if _deep(content):
        raise ValueError(f"it is nested deeper than {MAX_DEPTH} levels")
    return content


def _deep(content: object) -> bool:
    level = [content]
    for _ in range(MAX_DEPTH + 1):
        level = [
            child
            for value in level
            if isinstance(value, dict | list)
            for child in (value.values() if isinstance(value, dict) else value)
        ]
    return bool(level)


def _number(text: str) -> float:
    number = float(text)
    if number in (float("inf"), float("-inf")):
        raise ValueError(f"{quoted(text)} is too large a number")
    return number


def _constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not in JSON")
