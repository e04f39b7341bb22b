"""`assay probe hallucination`."""
