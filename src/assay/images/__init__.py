"""Pure pixels."""
