"""How full the car parks of Birmingham will be in the next half hours: contract, cleaning, features.

Belongs here: pure functions and YAML. Does not: Dagster, storage, or any I/O.
"""
