"""Scores of predicted probabilities, shared by training (before promotion) and serving (when labels arrive).

Belongs here: arithmetic on arrays. Does not: which score decides anything, tables, Dagster.
"""
