"""The least that serves a model: FastAPI around scikit-learn, without limits, features, a ladder or a log.

Belongs here: what `make bench-serve` compares with. Run by uvicorn; BENCH_MODEL is the file of the model.
"""

import hashlib
import os
from pathlib import Path
from typing import Any

import polars as pl
from fastapi import Body, FastAPI

from ml_platform.tracking.models import loads, predict_probability

data = Path(os.environ["BENCH_MODEL"]).read_bytes()
model = loads(data, hashlib.sha256(data).hexdigest())
app = FastAPI()


@app.post("/invocations")
def invocations(dataframe_split: dict[str, Any] = Body(embed=True)) -> dict[str, list[float]]:  # noqa: B008
    """Probabilities of rows of features."""
    rows = pl.DataFrame(dataframe_split["data"], schema=dataframe_split["columns"], orient="row")
    return {"predictions": predict_probability(model, rows).tolist()}
