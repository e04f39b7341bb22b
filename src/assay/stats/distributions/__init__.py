"""Distances of distributions, clusters and selections."""
