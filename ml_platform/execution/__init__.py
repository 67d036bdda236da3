"""How Dagster runs here: local instance storage, the preloaded executor, launching runs.

Belongs here: what makes runs cheap and durable. Does not: any asset.
"""
