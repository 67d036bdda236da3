"""Scores, fitted baselines, distances of days and evidence of change, shared by training (before promotion) and serving
(when labels arrive).

Belongs here: arithmetic on arrays and frames. Does not: which score decides anything, tables, Dagster.
"""
