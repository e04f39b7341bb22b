"""assay probe: what can go wrong with a model or with generated data, measured."""

from __future__ import annotations

import click

from assay.terminal.lazy import LazyGroup

PROBES = {
    "hallucination": "assay.probes.hallucination.command:command",
    "ai-text": "assay.probes.machine_text.command:command",
    "private": "assay.probes.private.command:command",
    "images": "assay.probes.images.command:command",
    "jailbreak": "assay.probes.jailbreak.command:command",
}
"""Name of a probe to its module, in the order of the help."""


@click.group(cls=LazyGroup, modules=PROBES)
def command() -> None:
    """Measure a known limit of generative models, by itself or with a defense beside it."""
