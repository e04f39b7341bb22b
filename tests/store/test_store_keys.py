from __future__ import annotations

import hashlib
import json
import math
from types import MappingProxyType

import pytest

from assay.store.receipts import digest, stage_key


def test_digest_is_that_of_plain_sorted_json() -> None:
    text = '{"a":[1,2.5,null,true],"é":"x"}'
    assert digest({"é": "x", "a": (1, 2.5, None, True)}) == hashlib.sha256(text.encode()).hexdigest()


def test_order_of_keys_and_kind_of_container_do_not_count() -> None:
    assert digest({"a": 1, "b": [(1, 2)]}) == digest(MappingProxyType({"b": [[1, 2]], "a": 1}))


@pytest.mark.parametrize("value", [math.nan, [math.inf], {"a": -math.inf}])
def test_numbers_that_json_lacks_are_refused(value: object) -> None:
    with pytest.raises(ValueError, match="JSON"):
        digest(value)


@pytest.mark.parametrize("value", [{1: 2}, {"a": {None: 1}}, {1, 2}, object()])
def test_values_that_json_would_change_are_rejected(value: object) -> None:
    with pytest.raises(TypeError):
        digest(value)


def test_stage_key_depends_on_each_part() -> None:
    spec = {"type": "paint", "steps": 15}
    keys = {
        stage_key(spec, ["x", "y"], 1, 0),
        stage_key(spec | {"steps": 16}, ["x", "y"], 1, 0),
        stage_key(spec, ["y", "x"], 1, 0),
        stage_key(spec, ["xy"], 1, 0),
        stage_key(spec, ["x", "y"], 2, 0),
        stage_key(spec, ["x", "y"], 1, 1),
    }
    assert len(keys) == 6
    assert all(len(key) == 12 and int(key, 16) >= 0 for key in keys)


def test_stage_key_never_changes() -> None:
    # Written out by hand: a changed key would silently throw every finished run away.
    text = json.dumps(
        {"inputs": ["aa"], "seed": 7, "spec": {"n": 1}, "version": 3}, separators=(",", ":"), sort_keys=True
    )
    assert stage_key({"n": 1}, ("aa",), 3, 7) == hashlib.sha256(text.encode()).hexdigest()[:12] == "494c8b97e368"
