"""Fingerprints: what a result follows from, in one hash.

Belongs here: hashing and recording of inputs, code, config and environment. Does not: storing the results.
"""
