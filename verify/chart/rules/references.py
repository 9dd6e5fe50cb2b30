"""Rules about references among manifests: the named object exists."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from verify.chart.manifests import ChartRelease, Manifest, PodTemplate, describe, match_labels

CLUSTER_AUTHORITY: Final = "kube-root-ca.crt"
"""The ConfigMap that Kubernetes itself puts into every namespace."""


def find_selectors_without_pods(release: ChartRelease) -> Iterator[str]:
    """Find selectors without pods, and workloads whose selector finds pods of others."""
    for manifest in release.manifests:
        selector = _selector(manifest)
        if selector is None:
            continue
        found = release.pods_selected(selector)
        if not found:
            yield f"{describe(manifest)}: its selector finds no pods"
        elif manifest["kind"] in ("Deployment", "StatefulSet") and {str(each) for each in found} != {
            describe(manifest)
        }:
            yield f"{describe(manifest)}: its selector finds pods of others: {', '.join(map(str, found))}"


def find_unknown_scale_targets(release: ChartRelease) -> Iterator[str]:
    """Find autoscalers whose target, or a container that a metric names, does not exist.

    What has a Rollout is scaled by that, as its Deployment then has no pods of its own.
    """
    workloads = {each.name: each for each in release.pod_templates() if each.kind == "Deployment"}
    rollouts = {each["metadata"]["name"]: each["spec"] for each in release.of_kind("Rollout")}
    for scaler in release.of_kind("HorizontalPodAutoscaler", "ScaledObject"):
        reference = scaler["spec"]["scaleTargetRef"]
        name, kind = reference["name"], "Rollout" if reference["name"] in rollouts else "Deployment"
        target = workloads.get(rollouts[name]["workloadRef"]["name"] if name in rollouts else name)
        if target is None or reference.get("kind", "Deployment") != kind:
            yield f"{describe(scaler)}: there is no {reference.get('kind', 'Deployment')} {name}"
            continue
        containers = {container["name"] for container in target.containers}
        for metric in scaler["spec"].get("metrics", ()):
            named = metric.get("containerResource", {}).get("container")
            if named is not None and named not in containers:
                yield f"{describe(scaler)}: {target} has no container {named}"


def find_unknown_canaries(release: ChartRelease) -> Iterator[str]:
    """Find Rollouts of no Deployment, and those whose analysis does not exist."""
    analyses = release.names_of("AnalysisTemplate")
    for rollout in release.of_kind("Rollout"):
        if rollout["spec"]["workloadRef"]["name"] not in release.names_of("Deployment"):
            yield f"{describe(rollout)}: there is no Deployment {rollout['spec']['workloadRef']['name']}"
        for template in rollout["spec"]["strategy"]["canary"]["analysis"]["templates"]:
            if template["templateName"] not in analyses:
                yield f"{describe(rollout)}: there is no AnalysisTemplate {template['templateName']}"


def find_unknown_claims(release: ChartRelease) -> Iterator[str]:
    """Find volumes whose claim nobody makes."""
    made = release.names_of("PersistentVolumeClaim")
    for template in release.pod_templates():
        for volume in template.spec.get("volumes", ()):
            claim = volume.get("persistentVolumeClaim", {}).get("claimName")
            if claim is not None and claim not in made:
                yield f"{template}: there is no PersistentVolumeClaim {claim}"


def find_unknown_ports(release: ChartRelease) -> Iterator[str]:
    """Find ports of Services, probes and ServiceMonitors that the pods do not have."""
    for service in release.of_kind("Service"):
        for template in release.pods_selected(service["spec"]["selector"]):
            for port in service["spec"]["ports"]:
                yield from _check_port(describe(service), port["targetPort"], template)
    for template in release.pod_templates():
        for container in template.containers:
            for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
                handler = container.get(probe, {})
                for action in ("httpGet", "tcpSocket"):
                    if action in handler:
                        yield from _check_port(f"{template}: {probe}", handler[action]["port"], template)
    services = list(release.of_kind("Service"))
    for monitor in release.of_kind("ServiceMonitor"):
        wanted = match_labels(monitor["spec"]["selector"])
        found = [each for each in services if wanted.items() <= each["metadata"]["labels"].items()]
        names = {port["name"] for each in found for port in each["spec"]["ports"]}
        for endpoint in monitor["spec"]["endpoints"]:
            if endpoint["port"] not in names:
                yield f"{describe(monitor)}: no Service that it selects has a port {endpoint['port']}"


def find_unknown_objects(release: ChartRelease) -> Iterator[str]:
    """Find ConfigMaps, Secrets, keys, ServiceAccounts and PriorityClasses that nobody makes."""
    config_maps = {each["metadata"]["name"]: set(each["data"]) for each in release.of_kind("ConfigMap")}
    config_maps[CLUSTER_AUTHORITY] = {"ca.crt"}
    secrets = _known_secrets(release)
    accounts = release.names_of("ServiceAccount")
    classes = release.names_of("PriorityClass")
    for template in release.pod_templates():
        account = template.spec.get("serviceAccountName")
        if account is not None and account not in accounts:
            yield f"{template}: there is no ServiceAccount {account}"
        priority = template.spec.get("priorityClassName")
        if priority is not None and classes and priority not in classes:
            yield f"{template}: there is no PriorityClass {priority}"
        for kind, name, keys in references_of(template):
            known = config_maps if kind == "ConfigMap" else secrets
            if name not in known:
                yield f"{template}: there is no {kind} {name}"
                continue
            for key in keys - (known[name] or keys):
                yield f"{template}: the {kind} {name} has no key {key}"


def find_unmounted_volumes(release: ChartRelease) -> Iterator[str]:
    """Find mounts without a volume, and volumes without a mount."""
    for template in release.pod_templates():
        claims = {"data"} if template.kind == "StatefulSet" else set()
        volumes = {each["name"] for each in template.spec.get("volumes", ())}
        mounts = {
            each["name"] for container in template.containers for each in container.get("volumeMounts", ())
        }
        if missing := sorted(mounts - volumes - claims):
            yield f"{template}: mounts volumes that it has not: {', '.join(missing)}"
        if unused := sorted(volumes - mounts):
            yield f"{template}: has volumes that it does not mount: {', '.join(unused)}"


def _selector(manifest: Manifest) -> Mapping[str, str] | None:
    spec = manifest.get("spec", {})
    match manifest["kind"]:
        case "Deployment" | "StatefulSet" | "PodDisruptionBudget":
            return match_labels(spec["selector"])
        case "NetworkPolicy":
            return match_labels(spec["podSelector"])
        case "Service":
            selector: Mapping[str, str] = spec["selector"]
            return selector
    return None


def _check_port(place: str, port: str | int, template: PodTemplate) -> Iterator[str]:
    ports = template.container_ports()
    if port not in ports and port not in ports.values():
        yield f"{place}: {template} has no port {port}"


def _known_secrets(release: ChartRelease) -> dict[str, set[str] | None]:
    """Return the keys of each Secret by its name; None for one whose keys nobody tells."""
    found: dict[str, set[str] | None] = dict.fromkeys(release.external_secrets)
    for each in release.of_kind("ExternalSecret"):
        found[each["spec"]["target"]["name"]] = {entry["secretKey"] for entry in each["spec"]["data"]}
    for each in release.of_kind("Certificate"):
        found[each["spec"]["secretName"]] = {"tls.crt", "tls.key", "ca.crt"}
    return found


def references_of(template: PodTemplate) -> Iterator[tuple[str, str, set[str]]]:
    """Return kind, name and keys of each ConfigMap and Secret that the pods read."""
    for container in template.containers:
        for variable in container.get("env", ()):
            source = variable.get("valueFrom", {})
            for field, kind in (("secretKeyRef", "Secret"), ("configMapKeyRef", "ConfigMap")):
                if field in source:
                    yield kind, source[field]["name"], {source[field]["key"]}
    for volume in template.spec.get("volumes", ()):
        for source in (volume, *volume.get("projected", {}).get("sources", ())):
            yield from _volume_references(source)


def _volume_references(source: Mapping[str, Any]) -> Iterator[tuple[str, str, set[str]]]:
    for field, kind, name in (("secret", "Secret", "secretName"), ("configMap", "ConfigMap", "name")):
        if field in source:
            found = source[field]
            keys = {item["key"] for item in found.get("items", ())}
            yield kind, found.get(name) or found["name"], keys
