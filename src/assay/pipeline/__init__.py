"""Recipes, plans and runs."""
