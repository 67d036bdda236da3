"""Use cases begun from a file."""
