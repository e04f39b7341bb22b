"""Images: decoding, metadata and perceptual hashes."""
