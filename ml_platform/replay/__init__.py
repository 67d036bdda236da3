"""A year that happens again: the demonstration's upstream drops one day after the other while the platform runs.

Belongs here: landing days at a pace, and watching what the platform makes of them by itself. Does not: asking for runs.
"""
