"""Scorers that compare samples with each other or with evaluation sets."""
