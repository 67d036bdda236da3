"""Backfills from the command line: which partitions, in which runs, how long, how far, and what is left of one.

Belongs here: what is asked of Dagster, and what it answered. Does not: options and how it looks (`commands.backfill`).
"""
