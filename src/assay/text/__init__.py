"""Pure text."""
