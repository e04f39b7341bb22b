"""`assay scale`: how accuracy or loss grows with data."""
