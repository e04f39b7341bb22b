"""ROUGE, BLEU, chrF, novelty and diversity of texts."""
