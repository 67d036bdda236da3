"""What the platform costs, measured: `python -m benchmarks`.

Belongs here: measurements, and the plain script that the platform is held against. Does not: what the platform needs.
"""
