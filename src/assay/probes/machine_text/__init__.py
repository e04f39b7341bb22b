"""`assay probe ai-text`."""
