"""Knowledge time: what was known when, as contract metadata, masks, joins and windows.

Belongs here: pure polars over the moment of knowing. Does not: any particular feature, or I/O.
"""
