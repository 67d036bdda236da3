"""Fingerprints and snapshots: what a result follows from.

Belongs here: hashing and recording of inputs, code, config and environment. Does not: storing the results.
"""
