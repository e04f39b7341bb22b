"""Values and roles; standard library only."""
