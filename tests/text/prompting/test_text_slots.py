from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay.text.prompting.templates import fill, template_slots


@pytest.mark.parametrize(
    ("template", "words", "expected"),
    [
        ("a photo of a {label}", {"label": "bag"}, "a photo of a bag"),
        ("a photo of a {label}", {"label": "ankle boot"}, "a photo of an ankle boot"),
        ("An {label}", {"label": "bag"}, "A bag"),
        ("a {tone} {label}", {"tone": "", "label": "ankle boot"}, "an ankle boot"),
        ("a {tone} {label}", {"tone": "light", "label": "ankle boot"}, "a light ankle boot"),
        ("a {tone} {look} {label}", {"tone": "", "look": "", "label": "orange"}, "an orange"),
        ("a {label}", {"label": "uniform"}, "a uniform"),
        ("a {label}", {"label": "hourglass"}, "an hourglass"),
        ("vitamin {label}, a must", {"label": "orange"}, "vitamin orange, a must"),
        ("{label}", {"label": "{bag}"}, "{bag}"),
    ],
)
def test_fill(template: str, words: dict[str, str], expected: str) -> None:
    assert fill(template, words) == expected


@given(st.text("abc {}", max_size=12))
def test_slots_are_found_or_refused(template: str) -> None:
    try:
        names = template_slots(template)
    except ValueError:
        return
    assert all(f"{{{name}}}" in template for name in names)
    assert "{x}" not in fill(template, dict.fromkeys(names, "x"))
