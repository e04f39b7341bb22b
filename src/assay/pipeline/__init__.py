"""Recipes to plans, and plans to runs."""
