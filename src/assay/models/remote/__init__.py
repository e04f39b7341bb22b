"""Language models behind an HTTP API."""
