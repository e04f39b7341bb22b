"""Recipes as YAML, and components as specs."""
