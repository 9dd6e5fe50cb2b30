"""Rules about rights in the Kubernetes API: one component may do one thing."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from verify.chart.manifests import ChartRelease, Manifest, PodTemplate, describe

Permission = tuple[str, str, str]
"""API group, resource and verb."""

GRANTS: Final[Mapping[str, set[Permission]]] = {
    "control-plane": {("discovery.k8s.io", "endpointslices", verb) for verb in ("list", "watch")}
}
TOKEN_MAX_S: Final = 3_600


def find_excess_grants(release: ChartRelease) -> Iterator[str]:
    """Find rights other than agreed, rights beyond the namespace, and tokens of pods without rights."""
    for each in release.of_kind("ClusterRole", "ClusterRoleBinding"):
        yield f"{describe(each)}: reaches beyond the namespace"
    granted: dict[str, set[Permission]] = {}
    for binding in release.of_kind("RoleBinding"):
        yield from _read_binding(release, binding, granted)
    for component, permissions in granted.items():
        if permissions != GRANTS.get(component, set()):
            yield f"{component}: may {sorted(permissions)}, and has to {sorted(GRANTS.get(component, ()))}"
    for template in release.pod_templates():
        yield from _check_tokens(template, template.component in granted)


def _read_binding(
    release: ChartRelease, binding: Manifest, granted: dict[str, set[Permission]]
) -> Iterator[str]:
    components = {each.spec.get("serviceAccountName"): each.component for each in release.pod_templates()}
    roles = {each["metadata"]["name"]: each for each in release.of_kind("Role")}
    role = roles.get(binding["roleRef"]["name"])
    if role is None or binding["roleRef"]["kind"] != "Role":
        yield f"{describe(binding)}: there is no Role {binding['roleRef']['name']}"
        return
    for subject in binding["subjects"]:
        component = components.get(subject["name"])
        if component is None or subject["kind"] != "ServiceAccount":
            yield f"{describe(binding)}: {subject['name']} is the ServiceAccount of no pod"
        else:
            granted.setdefault(component, set()).update(_permissions(role))


def _permissions(role: Manifest) -> Iterator[Permission]:
    for rule in role["rules"]:
        for group in rule["apiGroups"]:
            for resource in rule["resources"]:
                yield from ((group, resource, verb) for verb in rule["verbs"])


def _check_tokens(template: PodTemplate, has_rights: bool) -> Iterator[str]:
    tokens = list(_tokens(template))
    if tokens and not has_rights:
        yield f"{template}: gets a token of the API, and may do nothing with it"
    if has_rights and not tokens:
        yield f"{template}: has rights in the API, and gets no token"
    for token in tokens:
        if token.get("expirationSeconds", TOKEN_MAX_S + 1) > TOKEN_MAX_S:
            yield f"{template}: its token lasts longer than {TOKEN_MAX_S} s"


def _tokens(template: PodTemplate) -> Iterator[Mapping[str, Any]]:
    for volume in template.spec.get("volumes", ()):
        for source in volume.get("projected", {}).get("sources", ()):
            if "serviceAccountToken" in source:
                yield source["serviceAccountToken"]
