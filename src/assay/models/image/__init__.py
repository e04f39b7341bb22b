"""Image generators, CLIP and image classifiers."""
