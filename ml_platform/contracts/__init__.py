"""Contracts: what a table says of its columns beyond their types: unit, owner, and whether they lead to a person.

Belongs here: reading and honouring these declarations. Does not: when a column becomes known (`point_in_time`).
"""
