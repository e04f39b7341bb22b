"""`assay probe machine-text`."""
