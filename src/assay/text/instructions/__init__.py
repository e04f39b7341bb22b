"""Tasks, instructions and dialogues."""
