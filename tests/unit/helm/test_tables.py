"""The chart's tables say what the code says."""

import ast
import json
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from chassis import process
from chassis.blobs import BlobSettings
from chassis.contracts import Contracts
from chassis.settings import ChassisSettings, ProcessSettings, RedisSettings
from devstack.paths import DESCRIPTORS
from gateway.api_surface import service_of
from gateway.control_plane.endpoint_sources import dns
from gateway.xds.mesh import CircuitBreakerLimits, HealthCheck, OutlierDetection, SubsetSettings
from ops.paths import REPO
from ops.provision import queue_names
from ops.service_names import SERVICES
from verify.chart.rendering import CHART, REGIONS
from verify.chart.rpc_callers import OPERATOR, edges_between_services
from verify.chart.rules.environment import settings_class
from verify.chart.rules.network import OUTSIDE_CALLERS, read_edges

SCHEMA = json.loads((CHART / "values.schema.json").read_text())
PYTHON_OTHERS = {"control-plane": "gateway.control_plane", "rate-limiter": "gateway.ratelimit"}
SETTINGS_OF_VALUES = ("smtp_host", "smtp_port", "smtp_security", "smtp_user", "smtp_password", "mail_from")
"""Settings of a service that have values of their own."""
SECRET_SETTINGS = ("s3_secret_key",)
"""Settings that come from Secrets."""


def table(name: str) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((CHART / "files" / f"{name}.yaml").read_text())
    return found


def test_the_services_have_the_ports_of_the_local_stack_and_their_own_queues() -> None:
    services = table("components")["services"]

    assert list(services) == list(SERVICES)
    for number, service in enumerate(SERVICES):
        assert services[service]["port"] == 5001 + number
        assert services[service]["queues"] == queue_names([service])


def test_the_seconds_of_an_end_are_those_of_the_process_and_of_the_control_plane() -> None:
    seconds = table("components")["process"]

    assert seconds["stopSeconds"] == process.STOP_GRACE_S + process._CLOSE_TIMEOUT_S
    assert seconds["lookupSeconds"] >= dns.POLL_INTERVAL_S + dns.LOOKUP_TIMEOUT_S
    assert seconds["marginSeconds"] >= 10


def test_the_edges_are_the_connections_that_the_code_makes() -> None:
    expected: dict[str, set[str]] = {
        "gateway": {*(f"{service}-serve" for service in SERVICES), "control-plane", "rate-limiter", "otlp"},
        "provision": {"mongo", "broker"},
        "journey-test": {"gateway"},
    }
    for service in SERVICES:
        for role in ("serve", "work"):
            stores = dependencies_of(settings_class(f"services.{service}"), role)
            expected[f"{service}-{role}"] = stores | {f"{peer}-serve" for peer in peers_of(service, role)}
    for name, module in PYTHON_OTHERS.items():
        expected[name] = dependencies_of(settings_class(module), "serve")

    found = {caller: set(callees) for caller, callees in read_edges().items()}
    assert {caller: found[caller] for caller in found if caller not in OUTSIDE_CALLERS} == expected
    assert found["clients"] == {"gateway"}
    assert found["monitoring"] == expected.keys() - {"provision", "journey-test"}


def dependencies_of(settings: type[ProcessSettings], role: str) -> set[str]:
    """Return what a process with these settings connects to, besides its peers."""
    found = {"otlp"}
    if "kubernetes_api" in settings.model_fields:
        found.add("kubernetes")
    if issubclass(settings, RedisSettings):
        found.add("redis")
    if issubclass(settings, ChassisSettings):
        found |= {"mongo", "control-plane"}
        if role == "work":
            assert imports("chassis/roles/work.py", "chassis.messaging.publisher")
            found.add("broker")
    if "smtp_host" in settings.model_fields and role == "work":
        found.add("smtp")
    if issubclass(settings, BlobSettings):
        found.add("blobs")
    if "clamd" in settings.model_fields and role == "work":
        found.add("clamd")
    return found


def peers_of(service: str, role: str) -> set[str]:
    """Return the services that a role calls: by name in its own code, and for tokens' keys when it serves."""
    folder = REPO / "services" / service
    found = {name for path in folder.rglob("*.py") for name in channels(path.read_text())}
    if role == "serve":
        assert imports("chassis/roles/serve.py", "chassis.grpc.user_keys")
        found |= set(channels((REPO / "chassis" / "grpc" / "user_keys.py").read_text()))
    return found


def channels(source: str) -> Iterator[str]:
    """Return the peers to which code opens a channel by `….channel("<peer>")`."""
    for node in ast.walk(ast.parse(source)):
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and node.func.attr == "channel"
        ):
            (peer,) = node.args
            assert isinstance(peer, ast.Constant)
            yield str(peer.value)


def imports(path: str, module: str) -> bool:
    tree = ast.parse((REPO / path).read_text())
    return any(isinstance(node, ast.ImportFrom) and node.module == module for node in ast.walk(tree))


def test_who_calls_an_rpc_of_a_service_has_an_edge_to_it() -> None:
    callers = table("rpc-callers")
    called = {(caller, callee) for callee, found in callers.items() for caller in found.keys() - {OPERATOR}}
    assert called == edges_between_services(
        {caller: callees for caller, callees in read_edges().items() if caller not in OUTSIDE_CALLERS}
    )


def test_every_rpc_of_the_contracts_has_a_caller_that_it_admits() -> None:
    callers = table("rpc-callers")
    contracts = Contracts.from_descriptor_set(DESCRIPTORS.read_bytes())
    for rpc in contracts.rpcs:
        found = {caller for caller, paths in callers[service_of(rpc)].items() if rpc.path in paths}
        assert found, rpc.full_name
        assert found <= {"gateway"} or rpc.callers & {"SERVICE", "PUBLIC"}, rpc.full_name
        assert ("gateway" in found) is (rpc.callers != {"SERVICE"}), rpc.full_name


def test_serving_processes_do_not_use_the_broker() -> None:
    assert not imports("chassis/roles/serve.py", "chassis.messaging.publisher")
    assert not imports("chassis/roles/serve.py", "chassis.messaging.consumer")


def test_the_keys_of_secrets_are_the_secret_settings() -> None:
    keys = table("secrets")
    for service in SERVICES:
        variables = {
            use.get("env") or use["pathEnv"]
            for name in ("services", service)
            for use in keys.get(name, {}).values()
        }
        fields = settings_class(f"services.{service}").model_fields
        secret = {name for name, field in fields.items() if "SecretStr" in str(field.annotation)}
        assert variables == {f"IC_{name.upper()}" for name in (*secret, "service_key", "service_jwks")}


@pytest.mark.parametrize("service", SERVICES)
def test_the_schema_knows_every_setting_of_a_service_and_no_other(service: str) -> None:
    own = settings_class(f"services.{service}").model_fields.keys() - ChassisSettings.model_fields.keys()
    own = {name for name in own if not name.startswith((*SETTINGS_OF_VALUES, *SECRET_SETTINGS))} | {
        "grpc_engine",
        "environment",
    }

    known = SCHEMA["properties"]["settings"]["properties"][service]["properties"]
    assert set(known) == {f"IC_{name.upper()}" for name in own}


def test_the_schema_knows_the_fields_of_the_mesh_file() -> None:
    mesh = SCHEMA["properties"]["mesh"]["properties"]
    for name, model in (
        ("limits", CircuitBreakerLimits),
        ("outlier_detection", OutlierDetection),
        ("health_check", HealthCheck),
        ("subsets", SubsetSettings),
    ):
        assert mesh[name]["properties"].keys() == model.model_fields.keys()
        assert mesh[name]["additionalProperties"] is False


def test_every_object_of_the_schema_refuses_what_it_does_not_know() -> None:
    assert {"global", "enabled"} <= SCHEMA["properties"].keys()
    for path, node in objects(SCHEMA):
        assert node.get("additionalProperties") is not None or path in OPEN_OBJECTS, path


OPEN_OBJECTS = {"global", "items", "namespaceSelector", "podSelector"}
"""Objects of Kubernetes itself, or of an umbrella chart."""


def objects(node: Any, name: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    if isinstance(node, dict):
        if node.get("type") == "object":
            yield name, node
        for key, child in node.items():
            yield from objects(child, key)
    elif isinstance(node, list):
        for child in node:
            yield from objects(child, name)


def test_regions_differ_only_in_what_is_theirs() -> None:
    values = {region: yaml.safe_load((CHART / f"values-{region}.yaml").read_text()) for region in REGIONS}
    allowed = {
        "region",
        "image.registry",
        "envoyImage.registry",
        "stores.redis",
        "otlp.endpoint",
        "secrets.externalSecrets.storeName",
        *(
            f"networkPolicy.dependencies.{name}.peers"
            for name in ("mongo", "redis", "broker", "smtp", "otlp")
        ),
    }
    for region, own in values.items():
        assert set(leaves(own)) == allowed
        assert own["region"] == region
    for path in allowed:
        assert len({json.dumps(dict(leaves(own).items())[path]) for own in values.values()}) == len(REGIONS)


def leaves(values: dict[str, Any], path: str = "") -> dict[str, Any]:
    """Return every value that is no object, by its path."""
    found: dict[str, Any] = {}
    for key, value in values.items():
        inner = leaves(value, f"{path}{key}.") if isinstance(value, dict) else {f"{path}{key}": value}
        found |= inner
    return found
