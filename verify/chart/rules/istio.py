"""Rules about Istio: mutual TLS everywhere, and exactly the calls of the chart's tables are allowed."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from verify.chart.manifests import ChartRelease, Manifest, PodTemplate, describe, match_labels
from verify.chart.rpc_callers import list_rpc_callers
from verify.chart.rules.network import OUTSIDE_CALLERS, read_edges

OPS_PORT: Final = "ops"
_KINDS: Final = ("PeerAuthentication", "AuthorizationPolicy", "Sidecar", "DestinationRule")

Call = tuple[str, str, str]
"""Caller, port and path; the path is `*` where any is allowed."""


def find_missing_mutual_tls(release: ChartRelease) -> Iterator[str]:
    """Find pods of the mesh that accept plain text, other than at their ops port, or lack a kind of Istio."""
    if not list(release.of_kind(*_KINDS)):
        return
    for template in _members(release):
        for kind in _KINDS[:3]:
            if len(list(_selecting(release, kind, template))) != 1:
                yield f"{template}: needs exactly one {kind}"
        for each in _selecting(release, "PeerAuthentication", template):
            spec = each["spec"]
            plain = {
                int(port) for port, mode in spec.get("portLevelMtls", {}).items() if mode["mode"] != "STRICT"
            }
            if spec.get("mtls", {}).get("mode") != "STRICT" or plain - {template.container_ports()[OPS_PORT]}:
                yield f"{describe(each)}: lets others than probes and metrics in without TLS"
    for rule in release.of_kind("DestinationRule"):
        if rule["spec"]["trafficPolicy"]["tls"]["mode"] != "ISTIO_MUTUAL":
            yield f"{describe(rule)}: callers do not use mutual TLS"


def find_wrong_authorisations(release: ChartRelease) -> Iterator[str]:
    """Find calls that the tables say and no policy allows, and allowed ones that the tables do not say."""
    accounts = {str(each.spec.get("serviceAccountName")): each.component for each in release.pod_templates()}
    for template in _members(release):
        allowed = {
            call
            for policy in _selecting(release, "AuthorizationPolicy", template)
            for call in _allowed_calls(policy, template, accounts)
        }
        if not allowed:
            continue
        expected = _expected_calls(template)
        for caller, port, path in sorted(expected - allowed):
            yield f"AuthorizationPolicy: {caller} may not call {path} at {port} of {template.component}"
        for caller, port, path in sorted(allowed - expected):
            yield f"AuthorizationPolicy: {caller} may call {path} at {port} of {template.component} in vain"


def find_unknown_hosts(release: ChartRelease) -> Iterator[str]:
    """Find hosts of rules and routes of Istio and of the Gateway API that are no Service of the release."""
    services = release.names_of("Service")
    for manifest in release.of_kind("DestinationRule", "Sidecar", "VirtualService", "HTTPRoute"):
        for name in _service_names(manifest):
            if name not in services and not name.endswith("-canary"):
                yield f"{describe(manifest)}: there is no Service {name}"


def _members(release: ChartRelease) -> list[PodTemplate]:
    return [each for each in release.pod_templates() if each.kind == "Deployment"]


def _selecting(release: ChartRelease, kind: str, template: PodTemplate) -> Iterator[Manifest]:
    for each in release.of_kind(kind):
        spec = each["spec"]
        labels = spec["workloadSelector"]["labels"] if kind == "Sidecar" else match_labels(spec["selector"])
        if labels.items() <= template.labels.items():
            yield each


def _allowed_calls(policy: Manifest, template: PodTemplate, accounts: Mapping[str, str]) -> Iterator[Call]:
    names = {str(number): name for name, number in template.container_ports().items()}
    for rule in policy["spec"]["rules"]:
        callers = {
            _caller_of(principal, accounts)
            for source in rule.get("from", ())
            for principal in source["source"]["principals"]
        }
        for target in rule["to"]:
            operation = target["operation"]
            for port in operation.get("ports", ["*"]):
                for path in operation.get("paths", ["*"]):
                    yield from ((caller, names.get(port, port), path) for caller in callers or {"*"})


def _caller_of(principal: str, accounts: Mapping[str, str]) -> str:
    account = principal.rpartition("/")[2]
    return accounts.get(
        account, f"the unknown {account}" if "/ns/istio-system/" not in principal else "clients"
    )


def _expected_calls(template: PodTemplate) -> set[Call]:
    found: set[Call] = {("*", OPS_PORT, path) for path in ("/health", "/ready", "/metrics")}
    ports = template.container_ports().keys() - {OPS_PORT}
    service = template.component.removesuffix("-serve")
    callers = list_rpc_callers().get(service, {}) if template.component.endswith("-serve") else {}
    for caller, callees in read_edges().items():
        if template.component not in callees or caller in set(OUTSIDE_CALLERS) - {"clients"}:
            continue
        name = caller.removesuffix("-serve").removesuffix("-work")
        paths = callers[name] if callers else ["*"]
        found |= {(caller, port, path) for port in ports for path in paths}
    return found


def _service_names(manifest: Manifest) -> Iterator[str]:
    spec: Any = manifest["spec"]
    match manifest["kind"]:
        case "DestinationRule":
            yield spec["host"].partition(".")[0]
        case "Sidecar":
            hosts = [host for egress in spec["egress"] for host in egress["hosts"]]
            yield from (host[2:].partition(".")[0] for host in hosts if host.startswith("./"))
        case "VirtualService":
            for route in (route for http in spec["http"] for route in http["route"]):
                yield route["destination"]["host"].partition(".")[0]
        case "HTTPRoute":
            yield from (each["name"] for rule in spec["rules"] for each in rule["backendRefs"])
