"""assay probe: what can go wrong with a model or with generated data, measured."""

from __future__ import annotations

import click

from assay.cli.lazy import LazyGroup

PROBES = {
    "hallucination": "assay.cli.probe_hallucination",
    "ai-text": "assay.cli.probe_ai_text",
    "private": "assay.cli.probe_private",
    "pictures": "assay.cli.probe_pictures",
    "jailbreak": "assay.cli.probe_jailbreak",
}
"""Name of a probe to its module, in the order of the help."""


@click.group(cls=LazyGroup, modules=PROBES)
def command() -> None:
    """Measure a known limit of generative models, by itself or with a defence beside it."""
