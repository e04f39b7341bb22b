"""Calibration, detection scores and selective prediction."""
