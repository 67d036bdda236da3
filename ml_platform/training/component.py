"""The component behind `training/defs.yaml`: features and labels to registered model versions.

Belongs here: what the YAML says. Does not: the assets themselves (`model_asset`, `evaluation_asset`).
"""

from typing import Annotated, Any

import dagster as dg
from annotated_types import MinLen
from pydantic import Field

from ml_platform.components.scaffold import UseCaseScaffolder
from ml_platform.components.use_case import load_use_case
from ml_platform.training.config import ModelConfig


def _as_validated(context: dg.ResolutionContext, models: list[ModelConfig]) -> list[ModelConfig]:
    """The models as pydantic validated them; their module knows nothing of Dagster, so no value is a template."""
    return models


# Dagster refuses nested models whose fields have limits unless it does not see their type; model_field_type validates
Models = Annotated[Any, dg.Resolver(_as_validated, model_field_type=Annotated[list[ModelConfig], MinLen(1)])]


@dg.scaffold_with(UseCaseScaffolder)
class TrainingPipeline(dg.Component, dg.Model, dg.Resolvable):
    """Turns feature and label tables into trained, evaluated and registered models of one use case."""

    models: Models = Field(description="The models, each with its assets and its job.")

    def build_defs(self, context: dg.ComponentLoadContext) -> dg.Definitions:
        """Assets, checks and a job for each model.

        Raises:
            DefinitionError: a parameter that the trainer does not have, or a model declared twice.
        """
        from ml_platform.training.pipeline import build_pipeline

        return build_pipeline(self.models, load_use_case(context.path))
