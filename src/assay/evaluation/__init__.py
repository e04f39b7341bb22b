"""`assay eval`, `ask`, `perplexity` and `novelty`: language models on questions and texts."""
