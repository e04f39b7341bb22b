"""Provenance of samples and models."""
