"""NetworkPolicies as a graph: exactly the edges of the chart's table are open."""

import json
import re
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any, Final
from urllib.parse import urlsplit

import yaml

from ops.paths import REPO
from verify.chart.manifests import ChartRelease, PodTemplate, match_labels

EDGES_FILE: Final = REPO / "helm" / "internshipconnect" / "files" / "network-edges.yaml"
DEPENDENCIES: Final = ("mongo", "redis", "broker", "smtp", "blobs", "clamd", "otlp", "kubernetes")
BUNDLED_DEPENDENCIES: Final = {"mongo": "mongo", "redis": "redis", "broker": "rabbitmq", "smtp": "mailbox"}
"""The component that stands for a dependency when the stores are bundled."""
OUTSIDE_CALLERS: Final = ("clients", "monitoring")
DNS_PORT: Final = 53
BROKER_PORTS: Final = (5671, 5672)
DEFAULT_MONGO_PORT: Final = 27017
KUBERNETES_PORTS: Final = (443, 6443)
ISTIO_CONTROL_PLANE_PORT: Final = 15012
SIDECAR_LABEL: Final = "sidecar.istio.io/inject"
OPS_PORT: Final = "ops"

Edge = tuple[str, str, int]
"""Caller, callee and port."""


@cache
def read_edges() -> Mapping[str, list[str]]:
    """Return the table: by caller, whom it calls."""
    found: Mapping[str, list[str]] = yaml.safe_load(EDGES_FILE.read_text())
    return found


def find_wrong_edges(release: ChartRelease) -> Iterator[str]:
    """Find edges of the table that are not open between pods, and open ones that it lacks."""
    if not list(release.of_kind("NetworkPolicy")):
        return
    expected, actual = _expected_edges(release), _open_edges(release)
    for caller, callee, port in sorted(expected - actual):
        yield f"NetworkPolicy: {caller} does not reach port {port} of {callee}"
    for caller, callee, port in sorted(actual - expected):
        yield f"NetworkPolicy: {caller} reaches port {port} of {callee}, which the table does not say"


def find_wrong_outside_edges(release: ChartRelease) -> Iterator[str]:
    """Find pods that do not reach DNS and the dependencies of the table, or reach more than these."""
    if not list(release.of_kind("NetworkPolicy")):
        return
    ports = dependency_ports(release)
    bundled = {each.component for each in release.pod_templates()}
    for template in release.pod_templates():
        callees = read_edges().get(template.component, ())
        wanted = {
            port
            for callee in callees
            if callee in DEPENDENCIES and BUNDLED_DEPENDENCIES.get(callee) not in bundled
            for port in ports.get(callee, ())
        } | {DNS_PORT}
        if SIDECAR_LABEL in template.labels:
            wanted.add(ISTIO_CONTROL_PLANE_PORT)
        found = {
            port
            for rule in _rules(release, template, "egress")
            if not _is_among_pods(rule, "to")
            for port in _ports(rule)
        }
        if wanted - found:
            yield f"NetworkPolicy: {template.component} does not reach ports {sorted(wanted - found)} outside"
        if found - wanted:
            yield f"NetworkPolicy: {template.component} reaches ports {sorted(found - wanted)} outside"


def find_wrong_entrances(release: ChartRelease) -> Iterator[str]:
    """Find pods that others than clients (the gateway) and monitoring (ops ports) reach from outside."""
    if not list(release.of_kind("NetworkPolicy")):
        return
    for template in release.pod_templates():
        ports = template.container_ports()
        wanted = set()
        if template.component in read_edges()["monitoring"]:
            wanted.add(ports[OPS_PORT])
        if template.component in read_edges()["clients"]:
            wanted.add(ports["http"])
        found = {
            port
            for rule in _rules(release, template, "ingress")
            if not _is_among_pods(rule, "from")
            for port in _ports(rule)
        }
        if found != wanted:
            yield (
                f"NetworkPolicy: {template.component} is open to the outside at {sorted(found)},"
                f" and has to be at {sorted(wanted)}"
            )


def dependency_ports(release: ChartRelease) -> dict[str, set[int]]:
    """Return the ports of the dependencies, from the addresses that the pods are given."""
    found: dict[str, set[int]] = {"broker": _broker_ports(release)}
    for template in release.pod_templates():
        for container in template.containers:
            values = {each["name"]: str(each.get("value", "")) for each in container.get("env", ())}
            for name, dependency in (("IC_REDIS_NODES", "redis"), ("IC_OTLP_ENDPOINT", "otlp")):
                found.setdefault(dependency, set()).update(
                    int(address.rpartition(":")[2]) for address in values.get(name, "").split(",") if address
                )
            if "IC_SMTP_PORT" in values:
                found["smtp"] = {int(values["IC_SMTP_PORT"])}
            if values.get("IC_BLOBS", "").startswith("s3://"):
                found["blobs"] = {_url_port(values.get("IC_S3_ENDPOINT", ""))}
            if (clamd := values.get("IC_CLAMD", "")) and not clamd.startswith("unix:"):
                found["clamd"] = {int(clamd.rpartition(":")[2])}
    for config in release.of_kind("ConfigMap"):
        if "mesh.yaml" in config["data"] and _follows_kubernetes(config["data"]["mesh.yaml"]):
            found["kubernetes"] = set(KUBERNETES_PORTS)
        if "slots.json" in config["data"]:
            shards = json.loads(config["data"]["slots.json"])["shards"]
            found["mongo"] = {port for shard in shards.values() for port in _mongo_ports(shard["uri"])}
    return found


def _url_port(url: str) -> int:
    parts = urlsplit(url)
    return parts.port or (80 if parts.scheme == "http" else 443)


def _follows_kubernetes(mesh_file: str) -> bool:
    services = yaml.safe_load(mesh_file)["services"]
    return any("kubernetes" in each["endpoints"] for each in services.values())


def _broker_ports(release: ChartRelease) -> set[int]:
    """Return the broker's port, which only the policies tell, as the address itself is a secret."""
    open_ports = {
        port
        for template in release.pod_templates()
        for rule in _rules(release, template, "egress")
        for port in _ports(rule)
    }
    return open_ports & set(BROKER_PORTS)


def _mongo_ports(uri: str) -> Iterator[int]:
    for host in uri.removeprefix("mongodb://").partition("/")[0].split(","):
        match = re.search(r":(\d+)$", host)
        yield int(match[1]) if match else DEFAULT_MONGO_PORT


def _expected_edges(release: ChartRelease) -> set[Edge]:
    pods = {each.component: each for each in release.pod_templates()}
    edges = set()
    for caller, callees in read_edges().items():
        for name in callees if caller in pods else ():
            callee = pods.get(BUNDLED_DEPENDENCIES.get(name, name))
            if callee is not None and caller not in OUTSIDE_CALLERS:
                edges.add((caller, callee.component, _main_port(callee)))
    return edges


def _main_port(template: PodTemplate) -> int:
    """Return the port that pods call: any but the ops port, for a mailbox the one of mails."""
    ports = template.container_ports()
    return ports.get("smtp") or next(port for name, port in ports.items() if name != OPS_PORT)


def _open_edges(release: ChartRelease) -> set[Edge]:
    pods = release.pod_templates()
    return {
        (caller.component, callee.component, port)
        for caller in pods
        for callee in pods
        for port in callee.container_ports().values()
        if _is_open(release, caller, callee, port)
    }


def _is_open(release: ChartRelease, caller: PodTemplate, callee: PodTemplate, port: int) -> bool:
    """Return whether both the caller's and the callee's policies allow a connection between pods."""
    goes_out = any(
        port in _ports(rule) and _has_peer(rule.get("to"), callee)
        for rule in _rules(release, caller, "egress")
    )
    comes_in = any(
        port in _ports(rule) and _is_among_pods(rule, "from") and _has_peer(rule["from"], caller)
        for rule in _rules(release, callee, "ingress")
    )
    return goes_out and comes_in


def _rules(release: ChartRelease, template: PodTemplate, way: str) -> list[Mapping[str, Any]]:
    """Return the rules for these pods; without a policy for that way, one that allows everything."""
    policies = [
        policy["spec"]
        for policy in release.of_kind("NetworkPolicy")
        if match_labels(policy["spec"]["podSelector"]).items() <= template.labels.items()
        and way.capitalize() in policy["spec"]["policyTypes"]
    ]
    if not policies:
        return [{}]
    return [rule for policy in policies for rule in policy.get(way) or ()]


def _ports(rule: Mapping[str, Any]) -> set[int]:
    """Return the rule's ports; a rule without any opens all, which counts as port 0."""
    return {port["port"] for port in rule.get("ports", [{"port": 0}])}


def _has_peer(peers: list[Mapping[str, Any]] | None, template: PodTemplate) -> bool:
    if peers is None:
        return True
    return any(
        "namespaceSelector" not in peer
        and "podSelector" in peer
        and match_labels(peer["podSelector"]).items() <= template.labels.items()
        for peer in peers
    )


def _is_among_pods(rule: Mapping[str, Any], side: str) -> bool:
    """Return whether all peers of a rule are pods of the release's namespace."""
    peers = rule.get(side)
    return bool(peers) and all(set(peer) == {"podSelector"} for peer in peers or ())
