"""Where a training leaves its record, so that whoever has a registered version finds it again without MLflow.

Belongs here: the path. Does not: what the record says (`training.records`).
"""

RESULT = "result.json"


def result_path(uri: str, fingerprint: str) -> str:
    """Path below the artifacts of the record of the training with that fingerprint, whose model bytes are at `uri`."""
    *_, use_case, name, _ = uri.split("/")
    return f"training/{use_case}/{name}/{fingerprint}/{RESULT}"
