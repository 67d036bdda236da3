"""Contracts of the two tables that tell of drift.

Belongs here: what they promise. Does not: how distances and evidence are had (`evaluation`).
"""

import dataframely as dy

ALARMS = ("none", "drift", "decay", "drift and decay")


def drift_contract(partition_column: str) -> type[dy.Schema]:
    """One column on one day: its distance from training, and from where on that is unusual."""
    columns = {
        partition_column: dy.Date(primary_key=True, description="Day that was predicted."),
        "column": dy.String(primary_key=True, description="Name of the feature or of the column of predictions."),
        "kind": dy.String(regex="^(feature|prediction)$", description="feature or prediction."),
        "distance": dy.Float64(
            min=0, description="Population stability index of the day against training; 0 is the same shares."
        ),
        "threshold": dy.Float64(
            min=0, description="Distance above which a column has drifted: in training, one day in 20 had such a one."
        ),
        "is_drifted": dy.Bool(description="Whether the distance is above its threshold."),
        "missing_share": dy.Float64(min=0, max=1, description="Share of the day's rows without a value."),
        "training_missing_share": dy.Float64(min=0, max=1, description="The same share in training."),
        "model_version": dy.Int64(
            min=1, description="Version that predicted, and was trained on what is compared with."
        ),
        "model_as_of": dy.Date(description="As-of month of that version: the days before it are compared with."),
        "model_fingerprint": dy.String(description="Hash of everything that the version follows from."),
    }
    return _schema("Drift", "One column of features or predictions on one day, against training.", columns)


def alarms_contract(partition_column: str) -> type[dy.Schema]:
    """One day: what was measured on it, and the evidence of its champion's days up to it."""
    columns = {
        partition_column: dy.Date(primary_key=True, description="Day that was predicted."),
        "model_version": dy.Int64(nullable=True, min=1, description="Champion of the day; null without one."),
        "model_as_of": dy.Date(nullable=True, description="As-of month of the champion; null without one."),
        "model_fingerprint": dy.String(nullable=True, description="Fingerprint of the champion; null without one."),
        "drift": dy.Float64(
            nullable=True, min=0, description="Largest distance over threshold of all columns; null where left out."
        ),
        "most_drifted": dy.String(nullable=True, description="The column that has it."),
        "excess_loss": dy.Float64(
            nullable=True,
            description="Mean squared error of the day less that of the baseline; null without labels, or left out.",
        ),
        "drift_evidence": dy.Float64(min=0, description="Evidence so far that distances have grown since training."),
        "decay_evidence": dy.Float64(min=0, description="Evidence so far that losses have grown since evaluation."),
        "evidence_needed": dy.Float64(min=0, description="Evidence from which on an alarm stands."),
        "drift_since": dy.Date(nullable=True, description="First day of the alarm of drift that stands; null if none."),
        "decay_since": dy.Date(nullable=True, description="First day of the alarm of decay that stands; null if none."),
        "alarm": dy.String(regex=f"^({'|'.join(ALARMS)})$", description=f"What stands: {', '.join(ALARMS)}."),
    }
    return _schema("Alarms", "One day with the evidence so far of drift and of decay.", columns)


def _schema(name: str, description: str, columns: dict[str, dy.Column]) -> type[dy.Schema]:
    return type(name, (dy.Schema,), {"__doc__": description, **columns})
