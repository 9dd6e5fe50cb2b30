"""Rules about single fields: names, labels, ports, quantities and enumerations."""

import re
from collections.abc import Iterator
from decimal import Decimal
from typing import Final

from verify.chart.manifests import ChartRelease, describe, walk

MAX_NAME_CHARS: Final = 63
MAX_PORT: Final = 65_535
MAX_PORT_NAME_CHARS: Final = 15
_DNS_LABEL: Final = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?")
_LABEL_VALUE: Final = re.compile(r"([A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?)?")
_LABEL_KEY: Final = re.compile(r"([a-z0-9.-]{1,253}/)?[A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?")
_PORT_NAME: Final = re.compile(r"(?!.*--)(?=.*[a-z])[a-z0-9]([a-z0-9-]*[a-z0-9])?")
_QUANTITY: Final = re.compile(r"(?P<number>\d+(\.\d+)?)(?P<unit>m|k|Ki|M|Mi|G|Gi|T|Ti)?")
_UNITS: Final[dict[str, Decimal]] = {
    "": Decimal(1),
    "m": Decimal("0.001"),
    "k": Decimal(10**3),
    "M": Decimal(10**6),
    "G": Decimal(10**9),
    "T": Decimal(10**12),
    "Ki": Decimal(2**10),
    "Mi": Decimal(2**20),
    "Gi": Decimal(2**30),
    "Ti": Decimal(2**40),
}
ENUMERATIONS: Final = {
    "policyTypes": {"Ingress", "Egress"},
    "protocol": {"TCP", "UDP", "SCTP"},
    "imagePullPolicy": {"Always", "IfNotPresent", "Never"},
    "restartPolicy": {"Always", "OnFailure", "Never"},
    "whenUnsatisfiable": {"DoNotSchedule", "ScheduleAnyway"},
    "selectPolicy": {"Max", "Min", "Disabled"},
    "unhealthyPodEvictionPolicy": {"IfHealthyBudget", "AlwaysAllow"},
    "accessModes": {"ReadWriteOnce", "ReadOnlyMany", "ReadWriteMany", "ReadWriteOncePod"},
    "drop": {"ALL"},
}
"""The values of fields that mean the same in every kind; schemas call them strings."""
GATEWAY_PROTOCOLS: Final = {"HTTPS"}
TYPES_BY_PARENT: Final = {
    "strategy": {"RollingUpdate"},
    "seccompProfile": {"RuntimeDefault"},
    "target": {"Utilization", "AverageValue", "Value"},
    "metrics": {"ContainerResource", "Resource", "Pods", "Object", "External"},
    "policies": {"Percent", "Pods"},
}
SERVICE_TYPES: Final = {"ClusterIP", "NodePort", "LoadBalancer"}


def parse_quantity(value: str | float) -> Decimal:
    """Return a quantity's number. Raises ValueError for one that is none."""
    match = _QUANTITY.fullmatch(str(value))
    if match is None:
        raise ValueError(f"{value!r} is no quantity")
    return Decimal(match["number"]) * _UNITS[match["unit"] or ""]


def find_bad_names(release: ChartRelease) -> Iterator[str]:
    """Find names that are no DNS labels, and those that are there twice in a kind."""
    seen: set[str] = set()
    for manifest in release.manifests:
        name, place = manifest["metadata"]["name"], describe(manifest)
        if not _DNS_LABEL.fullmatch(name) or len(name) > MAX_NAME_CHARS:
            yield f"{place}: the name is no DNS label of at most {MAX_NAME_CHARS} characters"
        if place in seen:
            yield f"{place}: is there twice"
        seen.add(place)
    for template in release.pod_templates():
        for container in template.containers:
            if not _DNS_LABEL.fullmatch(container["name"]) or len(container["name"]) > MAX_NAME_CHARS:
                yield f"{template}: the container name {container['name']!r} is no DNS label"


def find_bad_labels(release: ChartRelease) -> Iterator[str]:
    """Find labels and selectors with a key or value that Kubernetes refuses."""
    for manifest in release.manifests:
        for path, value in walk(manifest):
            if path.rpartition(".")[2] not in ("labels", "matchLabels") or not isinstance(value, dict):
                continue
            for key, text in value.items():
                if not _LABEL_KEY.fullmatch(key) or not _LABEL_VALUE.fullmatch(str(text)):
                    yield f"{describe(manifest)}: {path}: {key}={text!r} is no label"


def find_bad_ports(release: ChartRelease) -> Iterator[str]:
    """Find ports outside 1 to 65535, wrongly named ones, and those that a pod has twice."""
    for manifest in release.manifests:
        for path, value in walk(manifest):
            field = path.rpartition(".")[2]
            is_port = field in ("containerPort", "port", "targetPort") and isinstance(value, int)
            if is_port and not 1 <= value <= MAX_PORT:
                yield f"{describe(manifest)}: {path}: there is no port {value}"
    for template in release.pod_templates():
        ports = [port for container in template.containers for port in container.get("ports", ())]
        for field in ("name", "containerPort"):
            values = [port.get(field) for port in ports]
            if len(set(values)) != len(values):
                yield f"{template}: two ports have the same {field}"
        for port in ports:
            name = port.get("name", "")
            if len(name) > MAX_PORT_NAME_CHARS or not _PORT_NAME.fullmatch(name):
                yield f"{template}: {name!r} is no name of a port"


def find_bad_quantities(release: ChartRelease) -> Iterator[str]:
    """Find containers without requests and limits of CPU and memory, and requests above the limit."""
    for template in release.pod_templates():
        for container in template.containers:
            place, resources = f"{template}: {container['name']}", container.get("resources", {})
            for amount in ("cpu", "memory"):
                try:
                    asked = parse_quantity(resources["requests"][amount])
                    bound = parse_quantity(resources["limits"][amount])
                except KeyError:
                    yield f"{place}: has no request or no limit of {amount}"
                except ValueError as error:
                    yield f"{place}: {amount}: {error}"
                else:
                    if asked > bound:
                        yield f"{place}: asks for more {amount} than its limit"


def find_bad_enumerations(release: ChartRelease) -> Iterator[str]:
    """Find fields that have none of the few words that they may have."""
    for manifest in release.manifests:
        for path, value in walk(manifest):
            allowed = _allowed_words(manifest["kind"], path)
            if allowed is None:
                continue
            for word in value if isinstance(value, list) else [value]:
                if word not in allowed:
                    yield f"{describe(manifest)}: {path}: {word!r} is none of {', '.join(sorted(allowed))}"


def _allowed_words(kind: str, path: str) -> set[str] | None:
    *parents, field = re.sub(r"\[\d+\]", "", path).split(".")
    if kind == "Gateway" and field == "protocol":
        return GATEWAY_PROTOCOLS
    if field != "type":
        return ENUMERATIONS.get(field) if not _is_free_text(path) else None
    if kind == "Service" and parents == ["spec"]:
        return SERVICE_TYPES
    return TYPES_BY_PARENT.get(parents[-1]) if parents else None


def _is_free_text(path: str) -> bool:
    """Return whether the field is a name that users chose, or text of another language."""
    return path.startswith(("data.", "metadata.")) or ".metadata." in path


def find_images_without_digest(release: ChartRelease) -> Iterator[str]:
    """Find images that are not named by digest; for values that demand it."""
    for template in release.pod_templates():
        for container in template.containers:
            if "@sha256:" not in container["image"]:
                yield f"{template}: {container['name']}: the image {container['image']} has no digest"
