"""Each rule finds what it is for: a release that passes all of them is changed in one place."""

import copy
from collections.abc import Callable
from typing import Any

import pytest

from tests.unit.helm.renders import rendered
from verify.chart.manifests import ChartRelease
from verify.chart.rules.all_rules import CHART_RULES, find_chart_violations
from verify.chart.rules.fields import find_images_without_digest, parse_quantity
from verify.chart.schemas import KUBERNETES_VERSIONS, find_schema_errors

Manifest = dict[str, Any]
Change = Callable[[ChartRelease], Any]


def one(release: ChartRelease, kind: str, end: str = "auth-serve") -> Manifest:
    return next(each for each in release.of_kind(kind) if each["metadata"]["name"].endswith(end))


def spec(release: ChartRelease, end: str = "auth-serve") -> Manifest:
    found: Manifest = one(release, "Deployment", end)["spec"]["template"]["spec"]
    return found


def container(release: ChartRelease, end: str = "auth-serve") -> Manifest:
    found: Manifest = spec(release, end)["containers"][0]
    return found


def remove(release: ChartRelease, kind: str, end: str = "auth-serve") -> None:
    release.manifests.remove(one(release, kind, end))


def rules_of(release: ChartRelease, end: str, way: str) -> list[Manifest]:
    found: list[Manifest] = one(release, "NetworkPolicy", end)["spec"][way]
    return found


def variable(release: ChartRelease, name: str, end: str = "auth-serve") -> Manifest:
    found: Manifest = next(each for each in container(release, end)["env"] if each["name"] == name)
    return found


def _close(release: ChartRelease, port: int) -> None:
    """Close a port in the egress of auth-serve."""
    rules = rules_of(release, "auth-serve", "egress")
    rules[:] = [rule for rule in rules if rule["ports"][0]["port"] != port]


CASES_BY_RULE = {
    **dict.fromkeys(("mutual TLS", "authorisations", "hosts"), "istio"),
    "claims": "keda",
    "canaries": "canary",
}
"""Releases with what a rule is about; `production-eu-central` has that of the others."""

BAD: dict[str, list[tuple[str, Change]]] = {
    "canaries": [
        ("there is no Deployment", lambda r: remove(r, "Deployment")),
        ("there is no AnalysisTemplate", lambda r: remove(r, "AnalysisTemplate")),
    ],
    "claims": [
        (
            "no PersistentVolumeClaim internshipconnect-backup",
            lambda r: remove(r, "PersistentVolumeClaim", "backup"),
        ),
    ],
    "names": [
        ("no DNS label", lambda r: one(r, "Service")["metadata"].update(name="Auth_Serve")),
        ("no DNS label", lambda r: one(r, "Service")["metadata"].update(name="a" * 64)),
        ("is there twice", lambda r: r.manifests.append(one(r, "Service"))),
        ("container name", lambda r: container(r).update(name="auth_serve")),
    ],
    "labels": [
        ("is no label", lambda r: one(r, "Service")["metadata"]["labels"].update(team="a b")),
        ("is no label", lambda r: one(r, "Service")["metadata"]["labels"].update({"a/b/c": "d"})),
    ],
    "ports": [
        ("there is no port 700000", lambda r: container(r)["ports"][0].update(containerPort=700_000)),
        ("the same containerPort", lambda r: container(r)["ports"][0].update(containerPort=6001)),
        ("no name of a port", lambda r: container(r)["ports"][0].update(name="a-name-that-is-long")),
        ("no name of a port", lambda r: container(r)["ports"][0].update(name="5001")),
    ],
    "quantities": [
        ("'lots' is no quantity", lambda r: container(r)["resources"]["requests"].update(cpu="lots")),
        ("more memory than its limit", lambda r: container(r)["resources"]["requests"].update(memory="9Gi")),
        ("no request or no limit", lambda r: container(r)["resources"].pop("limits")),
    ],
    "enumerations": [
        ("'Egres'", lambda r: one(r, "NetworkPolicy")["spec"].update(policyTypes=["Egres"])),
        ("'tcp'", lambda r: container(r)["ports"][0].update(protocol="tcp")),
        ("'Cluster'", lambda r: one(r, "Service")["spec"].update(type="Cluster")),
        ("'Most'", lambda r: scaling(r)["scaleUp"].update(selectPolicy="Most")),
        ("'Share'", lambda r: scaling(r)["scaleUp"]["policies"][0].update(type="Share")),
    ],
    "selectors": [
        ("finds no pods", lambda r: one(r, "Service")["spec"]["selector"].update(tier="front")),
        ("finds no pods", lambda r: match_labels(r, "PodDisruptionBudget").update(tier="front")),
        ("finds no pods", lambda r: remove(r, "Deployment")),
        ("finds pods of others", lambda r: match_labels(r, "Deployment").pop("app.kubernetes.io/component")),
    ],
    "scale targets": [
        ("there is no Deployment", lambda r: target(r).update(name="auth")),
        ("has no container", lambda r: metric(r).update(container="envoy")),
    ],
    "named ports": [
        ("has no port http", lambda r: one(r, "Service")["spec"]["ports"][0].update(targetPort="http")),
        ("has no port health", lambda r: container(r)["livenessProbe"]["httpGet"].update(port="health")),
        ("has a port stats", lambda r: one(r, "ServiceMonitor")["spec"]["endpoints"][0].update(port="stats")),
    ],
    "named objects": [
        ("no ServiceAccount", lambda r: remove(r, "ServiceAccount")),
        ("no ConfigMap", lambda r: remove(r, "ConfigMap", "-services")),
        ("no Secret", lambda r: remove(r, "ExternalSecret", "-auth")),
        ("has no key slots.json", lambda r: one(r, "ConfigMap", "-services")["data"].pop("slots.json")),
        ("has no key key", lambda r: secret(r).update(key="key")),
        ("no PriorityClass", lambda r: spec(r).update(priorityClassName="high")),
    ],
    "volumes": [
        ("mounts volumes that it has not", lambda r: spec(r)["volumes"].pop()),
        ("does not mount", lambda r: container(r)["volumeMounts"].pop()),
    ],
    "replicas": [
        ("has `replicas` beside", lambda r: one(r, "Deployment")["spec"].update(replicas=3)),
        ("neither `replicas` nor", lambda r: remove(r, "HorizontalPodAutoscaler")),
        ("scales", lambda r: r.manifests.append(copy.deepcopy(one(r, "HorizontalPodAutoscaler")))),
    ],
    "ranges": [
        ("between 100 and 10", lambda r: one(r, "HorizontalPodAutoscaler")["spec"].update(maxReplicas=10)),
        ("between 0 and", lambda r: one(r, "HorizontalPodAutoscaler")["spec"].update(minReplicas=0)),
    ],
    "graces": [
        ("ends after 30 s", lambda r: spec(r).pop("terminationGracePeriodSeconds")),
        ("ends after 30 s", lambda r: spec(r, "-gateway").update(terminationGracePeriodSeconds=30)),
    ],
    "waits": [("ends without waiting", lambda r: container(r).pop("lifecycle"))],
    "probes": [
        ("startupProbe is not", lambda r: container(r).pop("startupProbe")),
        ("readinessProbe is not", lambda r: container(r)["readinessProbe"]["httpGet"].update(path="/health")),
        ("has the figures", lambda r: container(r)["livenessProbe"].update(failureThreshold=1)),
    ],
    "drains": [
        ("one of 1 pods", lambda r: budget(r, minAvailable=1)),
        ("one of 2 pods", lambda r: budget(r, minAvailable="90%")),
        ("one of 100 pods", lambda r: budget(r, maxUnavailable=0)),
        ("has no PodDisruptionBudget", lambda r: remove(r, "PodDisruptionBudget")),
    ],
    "rollouts": [
        ("does not roll", lambda r: one(r, "Deployment")["spec"].update(strategy={"type": "Recreate"}))
    ],
    "spread": [("is not spread", lambda r: spec(r)["topologySpreadConstraints"].pop())],
    "rights": [
        ("may run as root", lambda r: spec(r)["securityContext"].pop("runAsNonRoot")),
        ("no seccomp profile", lambda r: spec(r)["securityContext"].pop("seccompProfile")),
        ("gets a token", lambda r: spec(r).pop("automountServiceAccountToken")),
        ("gets variables", lambda r: spec(r).pop("enableServiceLinks")),
        ("is not confined", lambda r: container(r)["securityContext"].update(readOnlyRootFilesystem=False)),
    ],
    "mutual TLS": [
        ("needs exactly one PeerAuthentication", lambda r: remove(r, "PeerAuthentication")),
        ("needs exactly one Sidecar", lambda r: remove(r, "Sidecar")),
        ("lets others", lambda r: one(r, "PeerAuthentication")["spec"].update(mtls={"mode": "PERMISSIVE"})),
        (
            "lets others",
            lambda r: one(r, "PeerAuthentication")["spec"]["portLevelMtls"].update(
                {"5001": {"mode": "DISABLE"}}
            ),
        ),
        (
            "do not use mutual TLS",
            lambda r: one(r, "DestinationRule")["spec"]["trafficPolicy"]["tls"].update(mode="DISABLE"),
        ),
    ],
    "authorisations": [
        ("gateway may not call", lambda r: allowing(r, "gateway")["to"][0]["operation"]["paths"].pop()),
        (
            "gateway may call /other at grpc of auth-serve in vain",
            lambda r: allowing(r, "gateway")["to"][0]["operation"]["paths"].append("/other"),
        ),
        (
            "user-serve may not call",
            lambda r: one(r, "AuthorizationPolicy")["spec"]["rules"].remove(allowing(r, "user-serve")),
        ),
        (
            "* may call *",
            lambda r: one(r, "AuthorizationPolicy")["spec"]["rules"].append({"to": [{"operation": {}}]}),
        ),
        (
            "the unknown default may call",
            lambda r: allowing(r, "gateway")["from"][0]["source"]["principals"].append(
                "cluster.local/ns/internships/sa/default"
            ),
        ),
    ],
    "hosts": [
        ("there is no Service", lambda r: remove(r, "Service")),
        ("there is no Service", lambda r: one(r, "DestinationRule")["spec"].update(host="nowhere.example")),
    ],
    "grants": [
        ("and has to", lambda r: role(r)["verbs"].append("delete")),
        ("and has to", lambda r: role(r).update(resources=["secrets"])),
        ("is the ServiceAccount of no pod", lambda r: subject(r).update(name="default")),
        ("may do nothing with it", lambda r: remove(r, "RoleBinding", "control-plane")),
        ("there is no Role", lambda r: remove(r, "Role", "control-plane")),
        ("gets no token", lambda r: spec(r, "control-plane")["volumes"].clear()),
        ("lasts longer", lambda r: token(r).update(expirationSeconds=86_400)),
        ("reaches beyond", lambda r: one(r, "Role", "control-plane").update(kind="ClusterRole")),
    ],
    "checksums": [
        ("is not replaced", lambda r: annotations(r).pop("checksum/config")),
    ],
    "hooks": [
        ("is a hook", lambda r: add_annotation(r, "helm.sh/hook", "pre-install")),
        ("vanishes", lambda r: next(r.of_kind("Job"))["spec"].update(ttlSecondsAfterFinished=60)),
        ("does not upgrade", lambda r: one(r, "Service").update(kind="CustomResourceDefinition")),
    ],
    "edges": [
        ("auth-serve does not reach port 5009", lambda r: _close(r, 5009)),
        ("gateway does not reach port 5001", lambda r: rules_of(r, "auth-serve", "ingress").clear()),
        ("which the table does not say", lambda r: open_both(r, "user-work", "auth-work", 6001)),
    ],
    "dependencies": [
        ("auth-serve does not reach ports [53]", lambda r: _close(r, 53)),
        ("auth-serve does not reach ports [6379]", lambda r: _close(r, 6379)),
        ("auth-serve reaches ports [443]", lambda r: open_outside(r, "egress", 443)),
        ("auth-serve reaches ports [0]", lambda r: rules_of(r, "auth-serve", "egress").append({})),
    ],
    "entrances": [
        ("[6001, 8080], and has to be at [6001]", lambda r: open_outside(r, "ingress", 8080)),
        ("at [], and has to be at [6007, 8080]", lambda r: rules_of(r, "-gateway", "ingress").clear()),
    ],
    "settings": [
        ("requires the setting IC_SLOT_MAP", lambda r: variable(r, "IC_SLOT_MAP").update(name="SLOT_MAP")),
        ("has no setting IC_SLOTMAP", lambda r: variable(r, "IC_SLOT_MAP").update(name="IC_SLOTMAP")),
        ("to its default", lambda r: container(r)["env"].append({"name": "IC_LOG_LEVEL", "value": "INFO"})),
    ],
}


def match_labels(release: ChartRelease, kind: str) -> Manifest:
    found: Manifest = one(release, kind)["spec"]["selector"]["matchLabels"]
    return found


def scaling(release: ChartRelease) -> Manifest:
    found: Manifest = one(release, "HorizontalPodAutoscaler")["spec"]["behavior"]
    return found


def target(release: ChartRelease) -> Manifest:
    found: Manifest = one(release, "HorizontalPodAutoscaler")["spec"]["scaleTargetRef"]
    return found


def metric(release: ChartRelease) -> Manifest:
    found: Manifest = one(release, "HorizontalPodAutoscaler")["spec"]["metrics"][0]["containerResource"]
    return found


def allowing(release: ChartRelease, caller: str) -> Manifest:
    """Return the rule of auth-serve's policy that allows calls of a component."""
    found: Manifest = next(
        rule
        for rule in one(release, "AuthorizationPolicy")["spec"]["rules"]
        if "from" in rule and rule["from"][0]["source"]["principals"][0].endswith(f"-{caller}")
    )
    return found


def role(release: ChartRelease) -> Manifest:
    found: Manifest = one(release, "Role", "control-plane")["rules"][0]
    return found


def subject(release: ChartRelease) -> Manifest:
    found: Manifest = one(release, "RoleBinding", "control-plane")["subjects"][0]
    return found


def token(release: ChartRelease) -> Manifest:
    volumes = spec(release, "control-plane")["volumes"]
    projected = next(each["projected"] for each in volumes if each["name"] == "kubernetes")
    found: Manifest = projected["sources"][0]["serviceAccountToken"]
    return found


def secret(release: ChartRelease) -> Manifest:
    found: Manifest = variable(release, "IC_DATA_KEY")["valueFrom"]["secretKeyRef"]
    return found


def budget(release: ChartRelease, **figures: int | str) -> None:
    found = one(release, "PodDisruptionBudget")["spec"]
    found.pop("maxUnavailable")
    found.update(figures)


def annotations(release: ChartRelease) -> Manifest:
    found: Manifest = one(release, "Deployment")["spec"]["template"]["metadata"]["annotations"]
    return found


def add_annotation(release: ChartRelease, name: str, value: str) -> None:
    one(release, "Service")["metadata"]["annotations"] = {name: value}


def open_outside(release: ChartRelease, way: str, port: int) -> None:
    rules_of(release, "auth-serve", way).append({"ports": [{"protocol": "TCP", "port": port}]})


def open_both(release: ChartRelease, caller: str, callee: str, port: int) -> None:
    for end, other, way, side in ((caller, callee, "egress", "to"), (callee, caller, "ingress", "from")):
        labels = {"app.kubernetes.io/component": other}
        peer = {"podSelector": {"matchLabels": labels}}
        rule = {"ports": [{"protocol": "TCP", "port": port}], side: [peer]}
        rules_of(release, end, way).append(rule)


def good_release(rule: str = "") -> ChartRelease:
    return copy.deepcopy(rendered(CASES_BY_RULE.get(rule, "production-eu-central")))


def test_the_release_that_is_changed_passes_all_rules() -> None:
    assert not find_chart_violations(good_release())


def test_every_rule_is_shown_to_fire() -> None:
    assert BAD.keys() == CHART_RULES.keys()


@pytest.mark.parametrize(
    ("rule", "says", "change"),
    [(rule, says, change) for rule, changes in BAD.items() for says, change in changes],
    ids=[f"{rule}: {says}" for rule, changes in BAD.items() for says, _ in changes],
)
def test_a_rule_names_what_is_wrong(rule: str, says: str, change: Change) -> None:
    release = good_release(rule)
    change(release)
    problems = list(CHART_RULES[rule](release))

    assert any(says in problem for problem in problems), problems


def test_an_image_without_a_digest_is_named() -> None:
    assert not list(find_images_without_digest(good_release()))
    assert any(
        "internshipconnect:trial" in problem for problem in find_images_without_digest(rendered("trial"))
    )


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda r: one(r, "Deployment")["spec"].update(replica=3), "'replica' was unexpected"),
        (lambda r: one(r, "Deployment").update(apiVersion="apps/v1beta1"), "does not know apps/v1beta1"),
        (lambda r: one(r, "Deployment")["spec"].update(replicas="three"), "is not of type"),
    ],
)
def test_a_schema_error_and_an_unknown_kind_are_named(change: Change, says: str) -> None:
    release = good_release()
    change(release)

    assert any(says in problem for problem in find_schema_errors(release, KUBERNETES_VERSIONS[-1]))


def test_quantities_are_compared_by_their_size() -> None:
    assert parse_quantity("512Mi") < parse_quantity("2Gi") < parse_quantity("3000M")
    assert parse_quantity("500m") < parse_quantity(1) == parse_quantity("1000m")
