"""Alerts: who is told of what, once, and what is kept until they have been.

Belongs here: routes, messages, receivers and the state of open alerts. Does not: what raises them (`operations`).
"""
