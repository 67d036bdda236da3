"""Drills: each fault really done to a real platform of processes, and what became of it: `make drills`.

A module here has functions from an empty folder to a `DrillResult`, and a list `DRILLS` of them; `drills.report` knows
the modules. `platform(folder)` gives a daemon with code servers on the toy location (the flights data pipeline, and a
toy model), in a home of its own below the folder; `fuses` lets a step of it die, hang, fail or run out of memory.
`python -m ml_platform_tests.drills --only NAME` does one. Drills are no tests: their times are measured, not asserted.
"""
