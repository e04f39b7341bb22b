"""Scorers that compare a text with its references."""
