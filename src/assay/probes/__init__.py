"""`assay probe`: known failures of generative models, measured."""
