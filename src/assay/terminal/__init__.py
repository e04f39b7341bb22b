"""Shared parts of commands: lazy groups, options, tables and cost lines."""
