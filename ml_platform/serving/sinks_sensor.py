"""What has predictions sent: days that were predicted, or predicted otherwise, since they were sent last."""

import dagster as dg

from ml_platform.components.automation import Wait, Wanted
from ml_platform.components.automation_sensor import Job, content_sensor, location_of, over
from ml_platform.components.use_case import UseCase
from ml_platform.errors import TableNotFoundError
from ml_platform.serving.component import Deployment
from ml_platform.serving.tables import days_with_a_model


def sinks_sensor(deployment: Deployment, use_case: UseCase, send: Job) -> dg.SensorDefinition:
    """`<job>_on_new_predictions`: each day by the content of its predictions."""
    table = f"{use_case.name}/{deployment.predictions.name}"

    def look(context: dg.SensorEvaluationContext) -> Wanted | Wait:
        try:
            published = location_of(context).tables().partitions(table)
        except TableNotFoundError as error:
            return Wait(f"{error.what} There is nothing to send.")
        return Wanted({day: state.content_hash for day, state in published.items()})

    return content_sensor(
        f"{send.name}_on_new_predictions",
        look,
        send,
        "sinks",
        over(days_with_a_model(use_case)),
        description="Sends each day whose predictions are new or other ones.",
    )
