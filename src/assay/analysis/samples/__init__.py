"""Analyses of the generated samples: funnel, scores, selections, diversity, preference pairs, distances."""
