"""JsonMatches."""

from __future__ import annotations

import json
import socket
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from assay.components.scorers.verifiers import json_schemas
from assay.components.scorers.verifiers.json_matches import JsonMatches
from assay.core.sample import Sample
from assay.core.score import Outcome, Score, Unscored
from assay.pipeline.recipe.spec import build
from labs import tiny_lab

PERSON: dict[str, Any] = {
    "type": "object",
    "properties": {"name": {"type": "string", "pattern": "^[A-Z]"}, "age": {"type": "integer", "minimum": 0}},
    "required": ["name"],
    "additionalProperties": False,
}


def outcome(text: str, schema: object = PERSON) -> Outcome:
    verifier = JsonMatches(schema) if isinstance(schema, dict) else JsonMatches(schema_field="shape")
    return next(iter(verifier.score([Sample({"text": text, "shape": str(schema)})], tiny_lab())))


def value(text: str, schema: object = PERSON) -> float:
    result = outcome(text, schema)
    assert isinstance(result, Score), result
    return result.value


RIGHT = ('{"name": "Kim"}', ' {"name": "Kim", "age": 3}\n', 'Sure:\n```json\n{"name": "Kim"}\n```\nDone.')
WRONG = {
    "": "empty",
    "Kim": "JSON",
    '{"name": "Kim"} is it': "Extra data",
    '{"name": "kim"}': "$.name: 'kim'",
    '{"name": "Kim", "age": -1}': "$.age: -1",
    '{"name": "Kim", "more": 1}': "'more'",
    "{}": "'name'",
    '{"name": "Kim", "age": NaN}': "NaN",
    '{"name": "Kim", "age": 1e999}': "1e999",
    "[" * 100_000: "nested",
    "[" * 60 + "]" * 60: "50",
    '"' + "x" * 100_000 + '"': "100,000",
    '```json\n{"name": "Kim"}\n```\n```json\n{}\n```': "required",
}


def test_valid_json_as_a_whole_or_in_a_block() -> None:
    assert [value(text) for text in RIGHT] == [1.0] * 3
    assert value('```\n{"name": "Kim"}\n```') == 1.0
    assert value('```json\n{"name": "Kim"}\n```\n```\n{}\n```') == 1.0  # the marked one


@pytest.mark.parametrize("text", WRONG, ids=lambda text: text[:30])
def test_invalid_json_scores_zero_with_a_reason(text: str) -> None:
    result = outcome(text)
    assert isinstance(result, Score)
    assert result.value == 0.0
    assert WRONG[text] in result.reason


BAD: dict[str, object] = {
    "'objekt'": {"type": "objekt"},
    "'http://example.org/x'": {"$ref": "http://example.org/x"},
    "'/nowhere'": {"properties": {"a": {"$ref": "#/nowhere"}}},
    "'http://example.org/mine'": {"$schema": "http://example.org/mine"},
    "unevaluatedProperties and patternProperties": {"patternProperties": {"^a": {}}, "unevaluatedProperties": False},
    "lists must be lists": {"required": ("a",)},
    "not JSON serializable": {"const": {1, 2}},
}


@pytest.mark.parametrize("why", BAD)
def test_invalid_schema_raises(why: str) -> None:
    with pytest.raises(ValueError, match=rf"JsonMatches\.schema .*{why}"):
        JsonMatches(BAD[why])  # type: ignore[arg-type]


def test_schema_or_field_is_required() -> None:
    for arguments in ({}, {"schema": PERSON, "schema_field": "shape"}):
        with pytest.raises(ValueError, match=r"JsonMatches .*\bschema\b.*\bschema_field\b"):
            JsonMatches(**arguments)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "shape", ["", " ", "{", "[]", "3", '{"type": 3}', '{"$ref": "http://example.org/x"}', "[" * 9999]
)
def test_broken_schema_of_a_sample_is_unscored(shape: str) -> None:
    samples = [
        Sample({"text": "3", "shape": schema}) for schema in (shape, '{"type": "integer"}', '{"type": "string"}')
    ]
    broken, right, wrong = JsonMatches(schema_field="shape").score(samples, tiny_lab())
    assert isinstance(broken, Unscored)
    assert broken.cause == "not_applicable"
    assert isinstance(right, Score)
    assert isinstance(wrong, Score)
    assert (right.value, wrong.value) == (1.0, 0.0)


def test_no_reference_is_fetched(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("it asked the network")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr(socket.socket, "connect", refuse)
    assert isinstance(outcome("3", '{"$ref": "https://json-schema.org/nowhere"}'), Unscored)
    # The schema of schemas is in the library.
    assert value('{"type": "string"}', {"$ref": "https://json-schema.org/draft/2020-12/schema"}) == 1.0
    assert value('{"type": 3}', {"$ref": "https://json-schema.org/draft/2020-12/schema"}) == 0.0


BOMB = {"$defs": {f"a{nth}": {"allOf": [{"$ref": f"#/$defs/a{nth + 1}"}] * 4} for nth in range(30)} | {"a30": {}}}
SLOW = {
    "a pattern": ({"pattern": "^(a|aa)+$"}, json.dumps("a" * 60 + "b")),
    "a name's pattern": ({"patternProperties": {"^(a|aa)+$": {}}}, json.dumps({"a" * 60 + "b": 1})),
    "a name's pattern beside others": (
        {"patternProperties": {"^(a|aa)+$": True}, "additionalProperties": False},
        json.dumps({"a" * 60 + "b": 1}),
    ),
    "doubling references": ({**BOMB, "$ref": "#/$defs/a0"}, "3"),
    "itself": ({"$ref": "#"}, "3"),
}


@pytest.mark.parametrize("name", SLOW)
def test_endless_schema_is_unscored(name: str) -> None:
    schema, text = SLOW[name]
    result = outcome(text, schema)
    assert isinstance(result, Unscored)
    assert result.cause == "failed"


def test_unique_items_takes_linear_work(monkeypatch: pytest.MonkeyPatch) -> None:
    keys = 0

    def counted_key(value: Any) -> Any:
        nonlocal keys
        keys += 1
        return key(value)

    key = json_schemas._key
    monkeypatch.setattr(json_schemas, "_key", counted_key)
    schema: dict[str, Any] = {"uniqueItems": True}
    items = [[nth, str(nth)] if nth % 2 else {str(nth): nth} for nth in range(5_000)]
    assert value(json.dumps(items), schema) == 1.0
    assert len(items) < keys <= 3 * len(items)
    assert value(json.dumps([*items, items[0]]), schema) == 0.0
    assert [value(text, schema) for text in ("[1, true]", "[1, 1.0]", '[{"a": 1}, {"a": true}]', "[[1], [1]]")] == [
        *(1.0, 0.0, 1.0, 0.0)
    ]


def test_schema_in_a_spec() -> None:
    built = build("scorers", {"use": "JsonMatches", "schema": PERSON}, "score.shape")
    assert built == JsonMatches(PERSON)


ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner, max_size=4),
    max_leaves=8,
)
RULES = st.dictionaries(
    st.sampled_from(
        [
            "type",
            "properties",
            "patternProperties",
            "additionalProperties",
            "items",
            "uniqueItems",
            "required",
            "pattern",
        ]
    ),
    st.sampled_from(["object", "array", "string"])
    | st.booleans()
    | st.lists(st.sampled_from("abc"), unique=True)
    | st.dictionaries(st.sampled_from(["a", "^b", "c"]), st.booleans() | st.just({"type": "integer"})),
    max_size=4,
)


@given(value=ANY_JSON, schema=RULES)
def test_value_agrees_with_jsonschema(value: object, schema: dict[str, Any]) -> None:
    try:
        Draft202012Validator.check_schema(schema)
    except Exception:
        with pytest.raises(ValueError, match="JSON Schema"):
            JsonMatches(schema)
        return
    result = outcome(json.dumps(value), schema)
    assert isinstance(result, Score), result
    assert result.value == float(Draft202012Validator(schema).is_valid(value))


@given(text=st.text() | ANY_JSON.map(json.dumps), shape=st.text() | RULES.map(json.dumps) | ANY_JSON.map(json.dumps))
def test_no_text_raises(text: str, shape: str) -> None:
    result = outcome(text, shape)
    assert isinstance(result, Unscored) or (isinstance(result, Score) and result.value in (0.0, 1.0))
