"""Sources of preference pairs and votes."""
