"""assay decode: comparison of decoding strategies on one prompt."""
