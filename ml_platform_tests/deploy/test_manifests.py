"""Manifests: valid, sealed, probed, and nobody is reached who is not meant to be; no cluster is needed to see it."""

import json
from typing import Any

import kubernetes_validate
import yaml

from ml_platform.settings import PROJECT_ROOT
from ml_platform_tests.deploy.conftest import KUBERNETES, Manifest

OLDEST, NEWEST = "1.31", "1.37"
"""Versions of Kubernetes that the manifests are held against."""
SECRETS = {"writer", "history", "alerts", "online", "mlflow", "login"}
LOCATIONS = ("data", "training", "serving", "operations")


def containers(deployments: dict[str, Manifest]) -> list[Manifest]:
    return [each for one in deployments.values() for each in one["spec"]["template"]["spec"]["containers"]]


def of(manifests: list[Manifest], kind: str) -> list[Manifest]:
    return [each for each in manifests if each["kind"] == kind]


def fits(selector: Manifest, labels: dict[str, str]) -> bool:
    """Whether a label selector takes in these labels."""
    by_value = all(labels.get(name) == value for name, value in selector.get("matchLabels", {}).items())
    return by_value and all(labels.get(each["key"]) in each["values"] for each in selector.get("matchExpressions", []))


def labels(deployments: dict[str, Manifest]) -> dict[str, dict[str, str]]:
    """The labels of the pods, those of runs among them."""
    runs = yaml.safe_load((KUBERNETES / "pods.yaml").read_text())["run_k8s_config"]["pod_template_spec_metadata"]
    of_deployments = {n: each["spec"]["template"]["metadata"]["labels"] for n, each in deployments.items()}
    return {**of_deployments, "runs": runs["labels"]}


def values_of(manifest: Any, key: str) -> list[Any]:
    """Every value that stands under `key`, at any depth."""
    if isinstance(manifest, list):
        return [found for each in manifest for found in values_of(each, key)]
    if not isinstance(manifest, dict):
        return []
    here = [manifest[key]] if key in manifest else []
    return here + [found for each in manifest.values() for found in values_of(each, key)]


def test_every_manifest_is_valid(manifests: list[Manifest]) -> None:
    assert len(manifests) > 25
    for each in manifests:
        for version in (OLDEST, NEWEST):
            kubernetes_validate.validate(each, version, strict=True)


def test_nobody_is_root_and_nothing_is_written_outside_of_volumes(deployments: dict[str, Manifest]) -> None:
    for each in deployments.values():
        assert each["spec"]["template"]["spec"]["securityContext"]["runAsNonRoot"] is True
    for each in containers(deployments):
        sealed = each["securityContext"]
        assert (sealed["readOnlyRootFilesystem"], sealed["allowPrivilegeEscalation"]) == (True, False)
        assert sealed["capabilities"] == {"drop": ["ALL"]}


def test_each_container_says_what_it_needs_and_how_it_is_found_alive(deployments: dict[str, Manifest]) -> None:
    for each in containers(deployments):
        assert {"requests", "limits"} <= each["resources"].keys(), each["name"]
        assert "livenessProbe" in each, each["name"]
        assert "readinessProbe" in each or each["name"] == "daemon", each["name"]


def test_secrets_are_named_and_stand_nowhere(manifests: list[Manifest]) -> None:
    named = {each["name"] for each in values_of(manifests, "secretRef")} | set(values_of(manifests, "secretName"))
    assert (of(manifests, "Secret"), named) == ([], SECRETS)
    values = next(each for each in of(manifests, "ConfigMap") if each["metadata"]["name"] == "values")["data"]
    assert not [name for name in values if any(word in name for word in ("KEY", "PASSWORD", "TOKEN", "DATABASE"))]


def test_only_webserver_and_daemon_may_ask_the_cluster(deployments: dict[str, Manifest]) -> None:
    accounts = {name: each["spec"]["template"]["spec"]["serviceAccountName"] for name, each in deployments.items()}
    assert {name for name, account in accounts.items() if account == "system"} == {"webserver", "daemon"}
    assert set(accounts.values()) == {"system", "services"}


def test_each_location_of_the_workspace_is_served_where_webserver_and_daemon_look(
    manifests: list[Manifest], deployments: dict[str, Manifest]
) -> None:
    here = yaml.safe_load((PROJECT_ROOT / "workspace.yaml").read_text())["load_from"]
    modules = {each["python_module"]["location_name"]: each["python_module"]["module_name"] for each in here}
    looked_for = yaml.safe_load((KUBERNETES / "workspace.yaml").read_text())["load_from"]
    hosts = {each["grpc_server"]["location_name"]: each["grpc_server"]["host"] for each in looked_for}
    services = {each["metadata"]["name"]: each["spec"] for each in of(manifests, "Service")}
    assert hosts.keys() == modules.keys() == set(LOCATIONS)
    for name, host in hosts.items():
        pod = deployments[host]["spec"]["template"]
        assert fits({"matchLabels": services[host]["selector"]}, pod["metadata"]["labels"])
        assert {"name": "MODULE", "value": modules[name]} in pod["spec"]["containers"][0]["env"]


def test_runs_of_a_location_have_its_image_and_resources_of_their_own(deployments: dict[str, Manifest]) -> None:
    contexts = {}
    for name in LOCATIONS:
        code = deployments[f"location-{name}"]["spec"]["template"]["spec"]["containers"][0]
        told = {each["name"]: each["value"] for each in code["env"]}
        assert told["DAGSTER_CONTAINER_IMAGE"] == code["image"]
        contexts[name] = json.loads(told["DAGSTER_CONTAINER_CONTEXT"])["k8s"]["run_k8s_config"]
    cpu = {name: each["container_config"]["resources"]["requests"]["cpu"] for name, each in contexts.items()}
    assert cpu == {"data": "1", "training": "4", "serving": "1", "operations": "500m"}


def test_nobody_is_reached_but_by_whom_a_policy_names(
    manifests: list[Manifest], deployments: dict[str, Manifest]
) -> None:
    policies = {each["metadata"]["name"]: each["spec"] for each in of(manifests, "NetworkPolicy")}
    assert (policies["nobody"]["podSelector"], policies["nobody"].get("ingress")) == ({}, None)
    let_in = {
        name: {rule["ports"][0]["port"] for spec in policies.values() if fits(spec["podSelector"], pod)
               for rule in spec.get("ingress", [])}
        for name, pod in labels(deployments).items()
    }  # fmt: skip
    expected = {f"location-{name}": {4000} for name in LOCATIONS}
    assert let_in == {
        **expected,
        "webserver": {4180},
        "online": {8080},
        "mlflow": {5000},
        "daemon": set(),
        "runs": set(),
    }


def test_a_drained_node_leaves_one_of_each_that_has_two(
    manifests: list[Manifest], deployments: dict[str, Manifest]
) -> None:
    budgets = [each["spec"]["selector"] for each in of(manifests, "PodDisruptionBudget")]
    kept = {name for name, pod in labels(deployments).items() if any(fits(each, pod) for each in budgets)}
    assert kept == {name for name, each in deployments.items() if each["spec"]["replicas"] > 1}


def test_images_are_of_a_user_and_of_what_the_tests_ran_with() -> None:
    lines = (PROJECT_ROOT / "deploy" / "images" / "Dockerfile").read_text().splitlines()
    stages = [line.split()[-1] for line in lines if line.startswith("FROM")]
    assert stages == ["libraries", "system", "code"]
    assert any("-c constraints.txt" in line for line in lines)
    assert "USER 10001:10001" in lines[: lines.index("FROM system AS code")]
