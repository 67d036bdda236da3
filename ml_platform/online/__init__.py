"""Predictions on request: the online service of one registered model.

Belongs here: requests, the state that answers them, and how that follows the registry and the tables. Does not:
features or models of its own — both are those of the batch — or anything of Dagster or MLflow.
"""
