"""Answer extraction and comparison."""
