"""Sources of tasks, questions and problems."""
