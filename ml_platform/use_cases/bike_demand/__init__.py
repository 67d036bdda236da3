"""Hourly bike rentals in Washington, forecast the morning before: contract, cleaning, features.

Belongs here: pure functions and YAML. Does not: Dagster, storage, or any I/O.
"""
