"""Recipes as YAML and components as data."""
