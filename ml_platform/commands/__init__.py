"""The subcommands of `ml-platform`, one module for each group: options in, text or JSON out.

Belongs here: reading options and showing results. Does not: the work, which is imported when a command runs.
"""
