"""Receivers: how a message looks to Slack, PagerDuty, a webhook and a mailbox, and what their answers mean.

Belongs here: payloads and their limits. Does not: what is sent when (`delivery`). Nothing here keeps or logs a secret.
"""
