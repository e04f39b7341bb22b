"""Ways of decoding as a command line names them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from assay.core.decoding import STRATEGIES, Decoding
from assay.core.errors import UserError, did_you_mean

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
    """The decoding that `text` names, with `common` for fields that it leaves open.

    Parts stand between commas: greedy, sample, or beam with its number, as in "beam:4"; and controls with a value, as
    in "top-p:0.9". Without greedy or beam, controls mean sampling, so "top-k:50" is "sample,top-k:50". Case and spaces
    around parts do not matter; what `text` says goes before `common`.

    Raises:
        UserError: A part that is not known (the nearest is named), lacks a value or has one too many, is no number, is
            there twice, lies outside its range, or belongs to another strategy.
    """
    said: dict[str, Any] = {}
    for part in text.split(","):
        for name, value in _field(part, text).items():
            if name in said:
                raise UserError(f"{text!r} says {name.replace('_', '-')} twice.", hint=f"For example: {EXAMPLES}.")
            said[name] = value
    try:
        return Decoding(**{**common, "strategy": "sample", **said})
    except ValueError as wrong:
        raise UserError(f"{text!r} is no way of decoding: {wrong}") from wrong


def _field(part: str, text: str) -> dict[str, Any]:
    """The fields of one part."""
    name, colon, value = (piece.strip() for piece in part.casefold().partition(":"))
    if name == "beam":
        return {"strategy": name, "beams": _number("beam", value, int, "beam:4")}
    if name in STRATEGIES:
        if colon:
            raise UserError(f"{name!r} takes no value, had {value!r}.", hint=f"For example: {EXAMPLES}.")
        return {"strategy": name}
    if name not in CONTROLS:
        raise UserError(f"No way of decoding is called {name!r}.", hint=did_you_mean(name, (*STRATEGIES, *CONTROLS)))
    example = f"{name}:{50 if CONTROLS[name] is int else 0.8}"
    return {name.replace("-", "_"): _number(name, value, CONTROLS[name], example)}


def _number(name: str, value: str, kind: type[int] | type[float], example: str) -> float:
    try:
        return kind(value)
    except ValueError:
        article = "a whole number" if kind is int else "a number"
        raise UserError(f"{name!r} needs {article}, had {value!r}.", hint=f"For example: {example}.") from None
