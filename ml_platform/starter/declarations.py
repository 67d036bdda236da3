"""The YAML of a first version: what each pipeline declares.

Belongs here: values of fields. Does not: what is decided (`plan`), or how fields become YAML (`components.scaffold`).
"""

from typing import Any

from ml_platform.starter.plan import Plan

Values = dict[str, Any]

_FEWEST_ROWS, _MOST_ROWS = 20, 1_000


def use_case_values(plan: Plan) -> Values:
    """Of use_case.yaml."""
    return {
        "name": plan.name,
        "description": f"What is {_told(plan)} of each row, as seen when its day begins?",
        "owners": [plan.owner],
        "timezone": plan.timezone,
        "first_day": plan.calendar.first_day,
        "last_day": plan.calendar.last_day,
        "first_as_of_month": plan.calendar.first_as_of_month,
    }


def data_values(plan: Plan) -> Values:
    """Of data/defs.yaml."""
    day = plan.day.name
    landed: Values = {
        "name": "raw",
        "description": f"One row of {plan.file.name}, as landed; one object a day.",
        "landing": f"{plan.name}/{{day}}.csv",
        "contract": "contract:Raw",
        "source": plan.file.name,
        "licence": "Not said yet",
        "day_columns": [plan.day.header],
    }
    if plan.calendar.without_rows:
        landed["days_without_object"] = [str(each) for each in plan.calendar.without_rows]
    return {
        "landed": [landed],
        "cleaned": [
            {
                "name": "clean",
                "description": "One row of a day, with the types and names that features use.",
                "source": "raw",
                "function": "cleaning:clean",
                "contract": "contract:Clean",
                "quarantine": "quarantine",
                "partition_column": day,
            }
        ],
        "derived": [
            {
                "name": "labels",
                "description": f"One row with its outcome, {_told(plan)}, and when that became known.",
                "source": "clean",
                "function": "cleaning:labels",
                "contract": "contract:Labels",
                "leaves_out": "Rows of which the outcome is missing.",
                "partition_column": day,
            }
        ],
        "features": [
            {
                "name": "features",
                "description": "One row with what was known when its day began.",
                "rows": "clean",
                "prediction_at": "features:prediction_at",
                "function": "features:features",
                "inputs": [],
                "contract": "contract:Features",
                "partition_column": day,
            }
        ],
    }


def training_values(plan: Plan) -> Values:
    """Of training/defs.yaml."""
    key = [column.name for column in (plan.day, *plan.keys)]
    unlearnable = [column.name for column in plan.keys if column not in plan.features]
    days = plan.calendar.window_days
    model: Values = {
        "name": plan.label.name,
        "description": f"What {_told(plan)} is, as seen when the day begins.",
        "registered_as": plan.name,
        "features_table": "features",
        "labels_table": "labels",
        "join_on": key,
        "labels": {"label": plan.label.name, "day": plan.day.name, "known_at": "known_at"},
        "not_features": [plan.day.name, *unlearnable, "prediction_at"],
        "task": plan.task.model_dump(mode="json", exclude_defaults=True) or {"kind": "binary"},
        "card": {
            "intended_use": "Not said yet: who uses it, and for which decision.",
            "out_of_scope": ["Not said yet."],
            "limits": ["Nobody has looked yet."],
        },
        "search": {
            "trials": 3,
            "rungs": [{"iterations": 15, "keep": 2}, {"iterations": 40, "keep": 1}],
            "parameters": {
                "learning_rate": {"kind": "float", "low": 0.03, "high": 0.2, "log": True},
                "min_samples_leaf": {"kind": "int", "low": 10, "high": 100, "log": True},
            },
        },
        "iterations": 60,
        "windows": {"validation_days": days, "holdout_days": days, "minimum_rows": _minimum_rows(plan)},
        "baselines": [{"name": "constant_rate" if plan.task.kind != "regression" else "mean"}],
    }
    return {"models": [model]}


def serving_values(plan: Plan) -> Values:
    """Of serving/defs.yaml."""
    return {
        "champion": {
            "name": "champion",
            "description": "The version that answers from an as-of month on, promoted if the gate approved it.",
            "model_version": f"{plan.label.name}_model_version",
            "registered_model": plan.name,
        },
        "predictions": {
            "name": "predictions",
            "description": f"One row with what is predicted of {_told(plan)}.",
            "features": "features",
            "contract": "contract:Features",
            "partition_column": plan.day.name,
            "row": "row",
        },
        "quality": {
            "name": "quality",
            "description": "One day of predictions and how they turned out, as far as labels have arrived.",
            "labels": "labels",
            "label_column": plan.label.name,
            "fewest_labels": max(1, min(100, plan.rows_a_day // 2)),
        },
    }


def _minimum_rows(plan: Plan) -> int:
    """Half of what the shortest window has as a rule."""
    return max(_FEWEST_ROWS, min(_MOST_ROWS, plan.rows_a_day * plan.calendar.window_days // 2))


def _told(plan: Plan) -> str:
    return plan.label.name.replace("_", " ")
