"""MLflow, through dagster-mlflow: experiment runs and the model registry behind one typed resource.

Belongs here: everything that imports mlflow. Does not: decisions about models (`training`, `serving`).
"""
