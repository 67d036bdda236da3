"""The serving location: promotion, batch predictions, and their quality once labels arrive.

Belongs here: components that turn serving/defs.yaml into assets. Does not: training or table building.
"""
