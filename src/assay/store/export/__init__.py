"""Exports of kept samples."""
