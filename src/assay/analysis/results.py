"""Serialization of the report data: `results.json`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from math import isfinite
from typing import Any

from assay.analysis.report_data import ReportData
from assay.analysis.verdict import answer_sentence, limits

FORMAT = 3
"""Incremented when a key is renamed, removed or changes its meaning."""


def to_results(data: ReportData) -> dict[str, Any]:
    """Serialize the report data as plain JSON values; the data of other sections are further keys."""
    results: dict[str, Any] = to_plain(data)
    sections = results.pop("sections")
    answer = {"answer": answer_sentence(data), "limits": list(limits(data))}
    return {"format": FORMAT, **results, **answer, **sections}


def to_plain(value: Any, where: str = "report") -> Any:
    """Convert nested dataclasses, mappings and sequences to JSON values.

    A dataclass becomes a mapping of its fields and public properties, without bytes. Numbers that are not finite become
    None.

    Raises:
        TypeError: A value has another type.
    """
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return value if isfinite(value) else None
    if is_dataclass(value) and not isinstance(value, type):
        parts = {name: getattr(value, name) for name in _names(type(value))}
        return {k: to_plain(part, f"{where}.{k}") for k, part in parts.items() if not isinstance(part, bytes)}
    if isinstance(value, Mapping):
        return {str(key): to_plain(part, f"{where}[{key!r}]") for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [to_plain(part, f"{where}[{nth}]") for nth, part in enumerate(value)]
    raise TypeError(f"{where} has type {type(value).__name__}, which JSON does not have.")


def _names(kind: type) -> list[str]:
    """Names of the fields and public properties of a dataclass."""
    properties = [
        name
        for base in reversed(kind.__mro__)
        for name, member in vars(base).items()
        if isinstance(member, property) and not name.startswith("_")
    ]
    return list(dict.fromkeys([*(part.name for part in fields(kind)), *properties]))
