"""The demonstration: real flights landed as an upstream would, the whole platform run, and a summary of it.

Belongs here: what `make demo` needs. Does not: anything the platform needs.
"""
