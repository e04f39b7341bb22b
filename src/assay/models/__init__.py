"""Adapters of models to the protocols of `assay.core.model_kinds`."""

from assay.models.loading import Device
from assay.models.open_models import OpenModels
from assay.models.references import embedded_names

__all__ = ["Device", "OpenModels", "embedded_names"]
