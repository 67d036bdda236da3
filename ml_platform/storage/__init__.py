"""Tables (Delta Lake) and objects (fsspec), and the IO managers over them.

Belongs here: bytes, versions, commits. Does not: what the rows mean.
"""
