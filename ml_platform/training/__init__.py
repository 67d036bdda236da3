"""The training location: snapshot, search, fit, evaluation, gate and registration of models.

Belongs here: pure arithmetic of training beside the component that runs it. Does not: how tables are made or served.
"""
