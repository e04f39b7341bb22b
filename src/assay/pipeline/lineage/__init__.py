"""Where samples and models come from."""
