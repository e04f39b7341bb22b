"""`assay probe jailbreak`."""
