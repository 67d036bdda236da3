"""The data location: landing objects to raw, clean and feature tables.

Belongs here: components that turn data/defs.yaml into assets and checks. Does not: mlflow, scikit-learn, or models.
"""
