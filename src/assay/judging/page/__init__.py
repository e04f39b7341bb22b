"""The page of a judge run."""
