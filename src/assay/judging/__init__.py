"""`assay judge`: a language model grades or compares texts, and is audited."""
