"""What MLflow's client is told of the settings' secrets, none of which stands in an address.

Belongs here: the login of an MLflow server, and who else is told. Does not: credentials of artifacts (`s3_artifacts`).
"""

import os

from ml_platform.settings import Settings
from ml_platform.tracking.s3_artifacts import reach_artifacts_with


def reach_with(settings: Settings) -> None:
    """Let this process, and the steps that are forked from it, use the server and the artifacts of the settings.

    MLflow reads the login from the environment of the process and nowhere else.
    """
    reach_artifacts_with(settings)
    if settings.mlflow_username and settings.mlflow_password:
        os.environ["MLFLOW_TRACKING_USERNAME"] = settings.mlflow_username
        os.environ["MLFLOW_TRACKING_PASSWORD"] = settings.mlflow_password.get_secret_value()
