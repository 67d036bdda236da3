"""An asset-based machine-learning platform on Dagster.

Contracts say what a thing is, pure code says how it is made, locations say when and where it runs.
"""
