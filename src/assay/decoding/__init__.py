"""`assay decode`: one prompt decoded in several ways, with a trace of every step."""
