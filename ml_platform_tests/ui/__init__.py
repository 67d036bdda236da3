"""Dagster's UI on this platform, as somebody sees it who clicks through it with a browser: `make test-ui`.

Belongs here: what a page has to show and what a click has to do, on real processes and a real browser. Does not: what a
run does (the tests beside each pipeline), and how Dagster draws it.
"""
