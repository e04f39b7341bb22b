"""The templates beside this file, filled with escaping on."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from assay.analysis import format as words


def fill(template: str, values: Mapping[str, object]) -> Markup:
    """The HTML of one template; everything in `values` is escaped unless it is `Markup`."""
    return Markup(_environment().get_template(template).render(values))


TEMPLATES = Path(__file__).with_name("templates")


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "percent": words.percent,
        "percent_between": words.percent_between,
        "points": words.points,
        "points_between": words.points_between,
        "count": words.count,
        "number": words.number,
        "level": words.level,
        "p_value": words.p_value,
        "seconds": words.seconds,
        "dollars": words.dollars,
        "tokens": words.tokens,
        "plural": words.plural,
    }
    return environment
