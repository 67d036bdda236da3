"""Real servers as processes of this machine: for the demonstration, the tests and the benchmarks.

Belongs here: starting and stopping them, on free loopback ports. Does not: using them (`storage`, `tracking`).
"""
