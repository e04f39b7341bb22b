"""JSON Schema validation by the library jsonschema, with remote references and unbounded time excluded.

jsonschema itself would fetch a remote `$ref`, and matches patterns by `re`, which may not terminate. Here a reference
must be within the schema or be a published metaschema, patterns are matched by `regex` with a time limit, and every
keyword checks the deadline.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextvars import ContextVar
from functools import cache
from typing import TYPE_CHECKING, Any, TypeAlias

import regex

from assay.core.errors import require

if TYPE_CHECKING:
    from jsonschema import ValidationError
    from jsonschema.protocols import Validator
    from referencing import Resource

SECONDS = 2.0
"""Time limit for the validation of one answer."""
Keyword: TypeAlias = "Callable[[Any, Any, Any, Any], Iterator[ValidationError] | None]"
_deadline: ContextVar[float] = ContextVar("deadline")


def compiled(schema: Mapping[str, Any]) -> Validator:
    """Return a validator for `schema`: draft 2020-12 unless the schema names another.

    Raises:
        ValueError: It is not a valid JSON Schema, or refers to something outside of it.
    """
    jsonschema = require("jsonschema", "verify")
    from jsonschema_specifications import REGISTRY
    from referencing import Resource
    from referencing.exceptions import Unresolvable

    default = None if "$schema" in schema else jsonschema.Draft202012Validator
    kind = jsonschema.validators.validator_for(schema, default=default)
    if kind is None:
        raise ValueError(f"its $schema is none that is known: {schema['$schema']!r}")
    try:
        kind.check_schema(schema)
        resource = Resource.from_contents(schema, default_specification=_dialect(schema))
        registry = REGISTRY.with_resource("", resource)
        _resolve_references(resource, registry.resolver_with_root(resource))
    except jsonschema.SchemaError as error:
        raise ValueError(f"{error.json_path}: {_short(error.message)}") from error
    except Unresolvable as error:
        raise ValueError(f"it refers to {error.ref!r}, which is not in it; nothing is fetched") from error
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error
    if "unevaluatedProperties" in (text := json.dumps(schema)) and "patternProperties" in text:
        raise ValueError("it has both unevaluatedProperties and patternProperties, which cannot be kept from hanging")
    validator: Validator = _restricted(kind)(schema, registry=registry)
    return validator


def broken_rule(validator: Validator, value: object) -> str:
    """Return where and how `value` violates the schema, the best match of jsonschema; "" if it is valid.

    Raises:
        TimeoutError: It took too long.
        RecursionError: The schema refers to itself without end.
    """
    token = _deadline.set(time.monotonic() + SECONDS)
    try:
        error = require("jsonschema.exceptions", "verify").best_match(validator.iter_errors(value))
    finally:
        _deadline.reset(token)
    return "" if error is None else f"{error.json_path}: {_short(error.message)}"


def _dialect(schema: Mapping[str, Any]) -> Any:
    from referencing.jsonschema import specification_with

    default = require("jsonschema", "verify").Draft202012Validator.META_SCHEMA["$schema"]
    return specification_with(str(schema.get("$schema", default)))


def _resolve_references(resource: Resource[Any], resolver: Any) -> None:
    """Resolve all references of a schema.

    Raises:
        Unresolvable: A reference has no target.
    """
    if isinstance(resource.contents, Mapping):
        for keyword in ("$ref", "$dynamicRef", "$recursiveRef"):
            if isinstance(reference := resource.contents.get(keyword), str):
                resolver.lookup(reference)
    for part in resource.subresources():
        _resolve_references(part, resolver.in_subresource(part))


@cache
def _restricted(kind: type[Validator]) -> Any:
    replaced = {
        "pattern": _pattern,
        "patternProperties": _pattern_properties,
        "additionalProperties": _additional_properties,
        "uniqueItems": _unique_items,
    }
    original: Mapping[str, Keyword] = kind.VALIDATORS
    keywords = {name: _timed(replaced.get(name, keyword)) for name, keyword in original.items()}
    return require("jsonschema.validators", "verify").extend(kind, keywords)


def _timed(keyword: Keyword) -> Keyword:
    def timed(validator: Any, value: Any, instance: Any, schema: Any) -> Iterator[ValidationError] | None:
        _seconds_left()
        return keyword(validator, value, instance, schema)

    return timed


def _seconds_left() -> float:
    """Seconds until the deadline; there is one only while an answer is validated."""
    seconds = _deadline.get(time.monotonic() + SECONDS) - time.monotonic()
    if seconds <= 0:
        raise TimeoutError
    return seconds


def _matches(pattern: str, text: str) -> bool:
    return regex.search(pattern, text, timeout=_seconds_left()) is not None


def _error(message: str) -> ValidationError:
    error: ValidationError = require("jsonschema", "verify").ValidationError(message)
    return error


def _pattern(validator: Any, pattern: Any, instance: Any, schema: Any) -> Iterator[ValidationError]:
    if validator.is_type(instance, "string") and not _matches(pattern, instance):
        yield _error(f"{instance!r} does not match {pattern!r}")


def _pattern_properties(validator: Any, patterns: Any, instance: Any, schema: Any) -> Iterator[ValidationError]:
    if validator.is_type(instance, "object"):
        for pattern, subschema in patterns.items():
            for name, value in instance.items():
                if _matches(pattern, name):
                    yield from validator.descend(value, subschema, path=name, schema_path=pattern)


def _additional_properties(validator: Any, subschema: Any, instance: Any, schema: Any) -> Iterator[ValidationError]:
    if not validator.is_type(instance, "object"):
        return
    properties, patterns = schema.get("properties", {}), schema.get("patternProperties", {})
    extra = [
        name for name in instance if name not in properties and not any(_matches(pattern, name) for pattern in patterns)
    ]
    if subschema is False and extra:
        yield _error(f"additional properties are not allowed: {', '.join(map(repr, extra[:5]))}")
    elif subschema is not False:
        for name in extra:
            yield from validator.descend(instance[name], subschema, path=name)


def _unique_items(validator: Any, unique: Any, instance: Any, schema: Any) -> Iterator[ValidationError]:
    if unique and validator.is_type(instance, "array") and len(set(map(_key, instance))) < len(instance):
        yield _error("has an item twice")


def _key(value: Any) -> Any:
    """Hashable key, equal for equal JSON values: 1 equals 1.0, and true is not 1."""
    if isinstance(value, dict):
        return ("object", frozenset((name, _key(item)) for name, item in value.items()))
    if isinstance(value, list):
        return ("array", tuple(map(_key, value)))
    return (isinstance(value, bool), value)


def _short(message: str, limit: int = 120) -> str:
    return message if len(message) <= limit else f"{message[:limit]}…"
