"""Kubernetes manifests of a distributed run: one indexed Job whose pods divide the rate among them."""

import math
from dataclasses import dataclass
from typing import Any, Final

import yaml

from ops.errors import OpsError
from verify.load.load_target import LoadTarget
from verify.load.profiles import CONFIG_FILE, FUNCTIONS_FILE, LoadProfile

NAME: Final = "load-test"
LABELS: Final = {"app.kubernetes.io/name": NAME, "app.kubernetes.io/part-of": "internshipconnect"}
PASSWORD_SECRET: Final = "load-test-accounts"  # noqa: S105 - a name
PASSWORD_KEY: Final = "password"  # noqa: S105 - a name
DEFAULT_IMAGE: Final = "docker.io/artilleryio/artillery:2.0.34"
REQUESTS_PER_POD_S: Final = 500
"""What one process of Artillery sends with one core; it uses no more than one."""
WARM_UP_PART: Final = 0.1
STUDENTS_PER_POD: Final = 200
MAX_PODS: Final = 100_000
"""More indexes than this Kubernetes does not give to one Job."""
GRACE_S: Final = 900
"""What the last sessions, and pods that start late, may take longer than the phases."""
CONFIG_FOLDER: Final = "/load-tests"
USER_ID: Final = 1000


@dataclass(frozen=True)
class DistributedLoad:
    """A rate for a whole cluster, the pods that make it, and where it goes."""

    profile: LoadProfile
    target: LoadTarget
    requests_per_s: int
    pods: int
    image: str = DEFAULT_IMAGE

    @classmethod
    def plan(
        cls,
        profile: LoadProfile,
        target: LoadTarget,
        requests_per_s: int,
        pods: int | None,
        image: str = DEFAULT_IMAGE,
    ) -> "DistributedLoad":
        """Return it, with as many pods as the rate needs when their number is not given. Raises OpsError."""
        if not profile.is_distributed:
            raise OpsError(f"--render: the profile '{profile.name}' is not for pods; give --profile seed")
        needed = math.ceil(requests_per_s / REQUESTS_PER_POD_S)
        count = needed if pods is None else pods
        if count > MAX_PODS:
            raise OpsError(f"--pods: a Job has at most {MAX_PODS:,} pods, not {count:,}; run several Jobs")
        if count < needed:
            raise OpsError(
                f"--pods: {count} pods would have to send {requests_per_s / count:,.0f} requests/s each; one "
                f"sends about {REQUESTS_PER_POD_S}, so {requests_per_s:,} requests/s need {needed:,}"
            )
        return cls(profile, target, requests_per_s, count, image)

    @property
    def sessions_per_pod_s(self) -> float:
        """The sessions that one pod begins in a second, in the end."""
        return self.requests_per_s / self.profile.requests_per_session / self.pods


def render_manifests(load: DistributedLoad) -> str:
    """Return the manifests as YAML; the Secret with the password is not among them."""
    return yaml.dump_all([_config_map(), _job(load)], Dumper=_PlainDumper, sort_keys=False)


class _PlainDumper(yaml.SafeDumper):
    """Writes multi-line texts as blocks, and repeats what occurs twice."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _represent_text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    style = "|" if "\n" in text else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_PlainDumper.add_representer(str, _represent_text)


def _config_map() -> dict[str, Any]:
    files = {path.name: path.read_text() for path in (CONFIG_FILE, FUNCTIONS_FILE)}
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": NAME, "labels": LABELS},
        "data": files,
    }


def _job(load: DistributedLoad) -> dict[str, Any]:
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": NAME, "labels": LABELS},
        "spec": {
            "completionMode": "Indexed",
            "completions": load.pods,
            "parallelism": load.pods,
            # A pod whose thresholds are broken has failed: the others go on, and it is not repeated.
            "backoffLimitPerIndex": 0,
            "activeDeadlineSeconds": load.profile.duration_s + GRACE_S,
            "template": {"metadata": {"labels": LABELS}, "spec": _pod(load)},
        },
    }


def _pod(load: DistributedLoad) -> dict[str, Any]:
    volumes = [
        {"name": "config", "configMap": {"name": NAME}},
        {"name": "tmp", "emptyDir": {"sizeLimit": "256Mi"}},
    ]
    return {
        "restartPolicy": "Never",
        "automountServiceAccountToken": False,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": USER_ID,
            "runAsGroup": USER_ID,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "topologySpreadConstraints": [
            {
                "maxSkew": 1,
                "topologyKey": "topology.kubernetes.io/zone",
                "whenUnsatisfiable": "ScheduleAnyway",
                "labelSelector": {"matchLabels": LABELS},
            }
        ],
        "containers": [_container(load)],
        "volumes": volumes,
    }


def _container(load: DistributedLoad) -> dict[str, Any]:
    config = f"{CONFIG_FOLDER}/{CONFIG_FILE.name}"
    return {
        "name": "artillery",
        "image": load.image,
        "args": ["run", "--environment", load.profile.name, "--target", load.target.url, config],
        "env": _environment(load),
        "resources": {
            "requests": {"cpu": "1", "memory": "512Mi"},
            "limits": {"cpu": "1500m", "memory": "1Gi"},
        },
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "volumeMounts": [
            {"name": "config", "mountPath": CONFIG_FOLDER, "readOnly": True},
            {"name": "tmp", "mountPath": "/tmp"},  # noqa: S108 - the container's own
        ],
    }


def _environment(load: DistributedLoad) -> list[dict[str, Any]]:
    rate = load.sessions_per_pod_s
    values = {
        "ARTILLERY_DISABLE_TELEMETRY": "true",
        "HOME": "/tmp",  # noqa: S108 - the container's own
        "WORKERS": "1",
        "LOAD_WARM_UP_RATE": f"{rate * WARM_UP_PART:.4f}",
        "LOAD_SUSTAINED_RATE": f"{rate:.4f}",
        "LOAD_STUDENTS": str(STUDENTS_PER_POD),
        "LOAD_FIRST_STUDENT": "1",
    }
    secret = {"secretKeyRef": {"name": PASSWORD_SECRET, "key": PASSWORD_KEY}}
    return [
        *({"name": name, "value": value} for name, value in values.items()),
        {"name": "LOAD_PASSWORD", "valueFrom": secret},
    ]
