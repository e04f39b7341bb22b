"""Jinja templates of the report, filled with autoescaping."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from assay.analysis import format as formats
from assay.analysis.proof import readable
from assay.analysis.verdict import sentence_start

TEMPLATES = Path(__file__).with_name("templates")


def fill(template: str, values: Mapping[str, object], folder: Path = TEMPLATES) -> Markup:
    """Render a template of `folder`; every value that is not `Markup` is escaped."""
    return Markup(_environment(folder).get_template(template).render(values))


def arm_name(name: str, css: str) -> Markup:
    """Render an arm: its color, its readable name, and the method name in code style."""
    label = readable(name)
    code = Markup("") if label == name else Markup(" <code>{}</code>").format(name)
    return Markup('<span class="swatch {}"></span>{}{}').format(css, label, code)


@cache
def _environment(folder: Path) -> Environment:
    environment = Environment(
        loader=FileSystemLoader(folder),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals["arm_name"] = arm_name
    environment.filters |= {
        "percent": formats.percent,
        "percent_between": formats.percent_between,
        "percent_ci": formats.percent_ci,
        "points": formats.points,
        "points_between": formats.points_between,
        "count": formats.count,
        "number": formats.number,
        "number_between": formats.number_between,
        "level": formats.level,
        "p_value": formats.p_value,
        "seconds": formats.seconds,
        "dollars": formats.dollars,
        "tokens": formats.tokens,
        "plural": formats.plural,
        "readable": readable,
        "sentence_start": sentence_start,
    }
    return environment
