"""`assay probe pictures`."""
