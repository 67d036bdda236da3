"""What a failure is and what follows from it: classes, retries, checkpoints, marks of what is degraded, alerts.

Belongs here: resuming, bridging and telling. Does not: the work that failed.
"""
