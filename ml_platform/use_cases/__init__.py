"""What a team edits: one folder per use case, YAML and pure functions.

Belongs here: contracts, cleaning and feature functions, defs.yaml. Does not: Dagster, storage, or any I/O.
"""
