"""Small models that are shipped with assay, each with a model card."""
