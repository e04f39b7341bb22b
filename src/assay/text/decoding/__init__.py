"""Reference decoding and token statistics."""
