"""What the components of the three locations share: calendar, names in YAML, and how a location is assembled.

Belongs here: Dagster glue without an opinion on data, training or serving. Does not: assets.
"""
