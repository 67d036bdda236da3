"""Checkpoints and isolation: what survives a failure, and how work continues from it.

Belongs here: resuming. Does not: the work that is resumed.
"""
