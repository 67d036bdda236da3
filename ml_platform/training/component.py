"""The component behind `training/defs.yaml`: features and labels to registered model versions.

Belongs here: what the YAML says. Does not: the assets themselves (`model_asset`, `evaluation_asset`).
"""

from collections.abc import Sequence

import dagster as dg
from pydantic import Field

from ml_platform.components.use_case import load_use_case
from ml_platform.training.config import ModelConfig


class TrainingPipeline(dg.Component, dg.Model, dg.Resolvable):
    """Turns feature and label tables into trained, evaluated and registered models of one use case."""

    models: Sequence[ModelConfig] = Field(min_length=1, description="The models, each with its assets and its job.")

    def build_defs(self, context: dg.ComponentLoadContext) -> dg.Definitions:
        """Assets, checks and a job for each model.

        Raises:
            DefinitionError: a parameter that the trainer does not have, or a model declared twice.
        """
        from ml_platform.training.pipeline import build_pipeline

        return build_pipeline(self.models, load_use_case(context.path))
