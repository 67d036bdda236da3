"""MLflow's copy of a model: the platform's canonical file, with what MLflow needs around it to load and serve it.

Belongs here: the MLflow model folder. Does not: model bytes (`models`), or how they are registered.
Requirements are written down instead of inferred: MLflow's inference loads the model in another process, for seconds.
"""

import hashlib
import importlib.metadata
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from ml_platform.tracking.models import TabularModel, loads, predict

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient

MODEL_FILE = "model.skops"
REQUIREMENTS = ("mlflow", "scikit-learn", "skops", "polars", "numpy")


class Scorer:
    """What `mlflow.pyfunc.load_model` gives: a frame in, predictions out."""

    def __init__(self, model: TabularModel) -> None:
        """Score with `model`."""
        self.model = model

    def predict(self, model_input: Any, params: dict[str, Any] | None = None) -> NDArray[np.float64]:
        """The prediction for each row of a pandas or polars frame, in the form of the model's task."""
        return predict(self.model, pl.DataFrame(model_input))


def _load_pyfunc(path: str) -> Scorer:
    data = Path(path).read_bytes()
    return Scorer(loads(data, hashlib.sha256(data).hexdigest()))


@contextmanager
def written(model: TabularModel, data: bytes, run_id: str) -> Iterator[Path]:
    """A temporary MLflow model folder around the canonical bytes `data` of `model`."""
    import mlflow.pyfunc
    from mlflow.models import Model, ModelSignature
    from mlflow.types import ColSpec, Schema, TensorSpec

    kinds = {name: "string" if name in model.categories else "double" for name in model.features}
    inputs: list[ColSpec | TensorSpec] = [ColSpec(kind, name, required=False) for name, kind in kinds.items()]
    described = Model(run_id=run_id, signature=ModelSignature(Schema(inputs), Schema([ColSpec("double")])))
    mlflow.pyfunc.add_to_model(described, loader_module=__name__, data=MODEL_FILE)
    described.add_flavor("skops", data=MODEL_FILE, sha256=hashlib.sha256(data).hexdigest())
    with tempfile.TemporaryDirectory(prefix="ml-platform-") as name:
        folder = Path(name)
        (folder / MODEL_FILE).write_bytes(data)
        pins = [f"{package}=={importlib.metadata.version(package)}" for package in REQUIREMENTS]
        (folder / "requirements.txt").write_text("\n".join(pins) + "\n")
        described.save(str(folder / "MLmodel"))
        yield folder


def attach(client: "MlflowClient", run_id: str, model_id: str) -> None:
    """Show the model as an output of the run."""
    from mlflow.entities import LoggedModelOutput

    client.log_outputs(run_id, [LoggedModelOutput(model_id, step=0)])
