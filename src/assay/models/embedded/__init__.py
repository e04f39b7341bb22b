"""The small models that assay carries, with a card each."""
