"""Commands that work on recipes and runs; one command a file."""
