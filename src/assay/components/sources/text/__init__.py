"""Sources of texts."""
