"""What a finished run shows, as plain data."""
