"""Engines: where shards run."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from assay.core.roles import Engine
from assay.engines.local import Local
from assay.engines.ray import Ray

ENGINES: Mapping[str, Callable[[], Engine]] = {"local": Local, "ray": Ray}
"""Engines by command-line name."""
