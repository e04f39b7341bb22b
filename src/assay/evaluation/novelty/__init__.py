"""`assay novelty`: which texts are new."""
