"""The recipes that come with assay."""
