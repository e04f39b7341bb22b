"""Ratings of models, agreement of raters and biases of judges."""
