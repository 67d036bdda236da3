"""With `ML_PLATFORM_PODS` a run of the same code is a job of the cluster, as its location and pods.yaml say."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import dagster as dg
import kubernetes_validate
import pytest
import yaml
from dagster._core.definitions.reconstruct import ReconstructableRepository
from dagster._core.launcher.base import LaunchRunContext

from ml_platform.execution.launch import ALL_ASSETS_JOB
from ml_platform.settings import PROJECT_ROOT, Settings
from ml_platform_tests.deploy.conftest import KUBERNETES, Manifest
from ml_platform_tests.execution.instances import platform_instance
from ml_platform_tests.execution.toy_location import TOY

SECRET = "canary-of-the-database"


@pytest.fixture
def asked() -> Iterator[tuple[str, list[Manifest]]]:
    """The address of what stands for a cluster, and the jobs that it was asked for."""
    jobs: list[Manifest] = []

    class Cluster(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            jobs.append(json.loads(body))
            self.send_response(201)
            self.send_header("Content-Type", "application/json")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Nothing."""

    with HTTPServer(("127.0.0.1", 0), Cluster) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}", jobs
        server.shutdown()


@pytest.fixture
def instance(
    asked: tuple[str, list[Manifest]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[dg.DagsterInstance]:
    """The platform's own, whose runs are given to that cluster."""
    cluster = {"clusters": [{"name": "toy", "cluster": {"server": asked[0]}}], "current-context": "toy"}
    contexts = {"contexts": [{"name": "toy", "context": {"cluster": "toy", "user": "toy"}}]}
    (tmp_path / "kubeconfig").write_text(
        yaml.safe_dump({**cluster, **contexts, "users": [{"name": "toy", "user": {}}]})
    )
    reached = {"load_incluster_config": False, "kubeconfig_file": str(tmp_path / "kubeconfig")}
    pods = yaml.safe_load((KUBERNETES / "pods.yaml").read_text())
    (tmp_path / "pods.yaml").write_text(yaml.safe_dump({**pods, **reached}))
    monkeypatch.setenv("ML_PLATFORM_PODS", str(tmp_path / "pods.yaml"))
    monkeypatch.setenv("ML_PLATFORM_S3_ACCESS_KEY_ID", SECRET)
    monkeypatch.setenv("ML_PLATFORM_S3_SECRET_ACCESS_KEY", SECRET)
    with platform_instance(tmp_path) as opened:
        yield opened


def launch(instance: dg.DagsterInstance, location: Manifest) -> None:
    """A run of the toy location, as a code server with the environment of this one would tell of it."""
    code = location["spec"]["template"]["spec"]["containers"][0]
    told = {each["name"]: each["value"] for each in code["env"]}
    repository = ReconstructableRepository.for_module(TOY.module, TOY.attribute, str(PROJECT_ROOT))
    job = repository.get_reconstructable_job(ALL_ASSETS_JOB)
    origin = job.get_python_origin()
    served = origin.repository_origin._replace(
        container_image=told["DAGSTER_CONTAINER_IMAGE"], container_context=json.loads(told["DAGSTER_CONTAINER_CONTEXT"])
    )
    run = instance.create_run_for_job(job.get_definition(), job_code_origin=origin._replace(repository_origin=served))
    instance.run_launcher.launch_run(LaunchRunContext(run, workspace=None))


@pytest.fixture
def jobs(
    instance: dg.DagsterInstance, asked: tuple[str, list[Manifest]], deployments: dict[str, Manifest]
) -> list[Manifest]:
    """What a run of the data location and one of the training location are to the cluster."""
    for name in ("location-data", "location-training"):
        launch(instance, deployments[name])
    return asked[1]


def test_a_run_is_a_valid_job_sealed_as_the_manifests_are(jobs: list[Manifest]) -> None:
    for job in jobs:
        kubernetes_validate.validate(job, "1.37", strict=False)
        pod = job["spec"]["template"]["spec"]
        assert (pod["securityContext"]["runAsNonRoot"], pod["automountServiceAccountToken"]) == (True, False)
        assert pod["containers"][0]["securityContext"]["readOnlyRootFilesystem"] is True
        assert {each["name"] for each in pod["volumes"]} == {"home", "tmp", "system"}


def test_a_run_has_the_resources_and_the_image_of_its_location(jobs: list[Manifest]) -> None:
    containers = [job["spec"]["template"]["spec"]["containers"][0] for job in jobs]
    assert [each["resources"]["requests"]["cpu"] for each in containers] == ["1", "4"]
    assert {each["image"] for each in containers} == {"ml-platform-code:1"}
    steps = [{"name": "ML_PLATFORM_MAX_PARALLEL_STEPS", "value": count} for count in ("2", "4")]
    assert [told in each["env"] for told, each in zip(steps, containers, strict=True)] == [True, True]


def test_a_run_gets_its_secrets_by_name_and_none_in_its_arguments(jobs: list[Manifest]) -> None:
    sources = jobs[0]["spec"]["template"]["spec"]["containers"][0]["envFrom"]
    assert [each["secretRef"]["name"] for each in sources if "secretRef" in each] == ["writer", "history", "alerts"]
    assert SECRET not in json.dumps(jobs)


def test_without_pods_runs_are_processes_of_this_machine(tmp_path: Path) -> None:
    assert Settings().pods is None
    with platform_instance(tmp_path) as opened:
        assert type(opened.run_launcher).__name__ == "WarmRunLauncher"
