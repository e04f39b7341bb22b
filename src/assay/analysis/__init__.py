"""Analyses of a finished run: plain data, from which the report and `results.json` are written."""
