"""Questions about results that cross the three locations: where it came from, whether it can be made again, how proven.

Belongs here: answers put together from the records of all locations. Does not: making those records.
"""
