"""Which RPCs each component calls of each service, from the contracts and from the clients in the code."""

import ast
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Final

import yaml

from chassis.contracts import Contracts
from devstack.paths import DESCRIPTORS
from gateway.api_surface import edge_rpcs, service_of
from ops.paths import REPO
from ops.service_names import SERVICES

GATEWAY: Final = "gateway"
OPERATOR: Final = "operator"
"""Calls what no component calls, such as `ic moderate`."""
HEALTH_CHECK: Final = "/grpc.health.v1.Health/Check"
_OTHER_CALLS_OF_GATEWAY: Final = {"auth": "/envoy.service.auth.v3.Authorization/Check"}
"""Calls of Envoy itself, of which no contract knows: it exchanges API keys."""
_STUB_SUFFIX: Final = "ServiceStub"
_CHASSIS_CLIENTS: Final = ("chassis/grpc/user_keys.py",)
"""Clients that every serving process has."""
_HEADER: Final = """\
# Who calls which RPC: by the called service and by its caller, the paths of the calls. Istio's policies allow
# these and no others. `ic chart --write` makes it from the contracts (what the gateway offers) and from the
# clients in the code. A caller stands for those of its two roles with an edge in network-edges.yaml, and
# `operator` for `mesh.istio.operatorPrincipals` of the values, which call what no component calls.
"""


def render_rpc_callers() -> str:
    """Return the table as the chart holds it."""
    return _HEADER + yaml.safe_dump(list_rpc_callers(), sort_keys=False, width=120)


@cache
def list_rpc_callers() -> dict[str, dict[str, list[str]]]:
    """Return the paths by called service and caller; the gateway also checks the services' health."""
    found: dict[str, dict[str, set[str]]] = {service: {GATEWAY: {HEALTH_CHECK}} for service in SERVICES}
    contracts = Contracts.from_descriptor_set(DESCRIPTORS.read_bytes())
    for service, method in _OTHER_CALLS_OF_GATEWAY.items():
        found[service][GATEWAY].add(method)
    for rpc in edge_rpcs(contracts):
        found[service_of(rpc)][GATEWAY].add(rpc.path)
    called = {(rpc.service.rpartition(".")[2], rpc.name): rpc for rpc in contracts.rpcs}
    for service in SERVICES:
        for path in _client_files(service):
            for each in _called_methods(path.read_text()):
                rpc = called[each]
                found[service_of(rpc)].setdefault(service, set()).add(rpc.path)
    for rpc in contracts.rpcs:
        callers = found[service_of(rpc)]
        if not any(rpc.path in paths for paths in callers.values()):
            callers.setdefault(OPERATOR, set()).add(rpc.path)
    return {
        callee: {caller: sorted(paths) for caller, paths in sorted(callers.items())}
        for callee, callers in found.items()
    }


def _client_files(service: str) -> Iterator[Path]:
    yield from sorted((REPO / "services" / service).rglob("*.py"))
    yield from (REPO / each for each in _CHASSIS_CLIENTS)


def _called_methods(source: str) -> Iterator[tuple[str, str]]:
    """Return the gRPC service and the method of each mention of a stub's method, in all that makes a stub."""
    if _STUB_SUFFIX not in source:
        return
    for scope in ast.parse(source).body:
        stubs = dict(_stubs_of(scope))
        for node in ast.walk(scope):
            if isinstance(node, ast.Attribute):
                callee = stubs.get(ast.unparse(node.value))
                if callee is not None:
                    yield callee, node.attr


def _stubs_of(scope: ast.AST) -> Iterator[tuple[str, str]]:
    """Return the names that a stub is assigned to, e.g. `self._stub`, with its gRPC service."""
    for node in ast.walk(scope):
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Call):
            name = ast.unparse(node.value.func)
            if name.endswith(_STUB_SUFFIX):
                for target in node.targets:
                    yield ast.unparse(target), name.removesuffix("Stub")


def edges_between_services(edges: Mapping[str, list[str]]) -> set[tuple[str, str]]:
    """Return caller and callee, without their roles, of every edge that leads to a serving process."""
    return {
        (caller.removesuffix("-serve").removesuffix("-work"), callee.removesuffix("-serve"))
        for caller, callees in edges.items()
        for callee in callees
        if callee.endswith("-serve")
    }
