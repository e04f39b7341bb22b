"""`assay probe private`."""
