"""Leaderboards from votes."""
