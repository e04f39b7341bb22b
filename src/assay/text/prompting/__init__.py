"""Prompts and prompting methods."""
