"""`assay probe images`."""
