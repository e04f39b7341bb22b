"""Analyses of the trained models: answers, classifiers, OOD detection, training curves, exchange rate."""
