"""The manifests of a distributed run divide the rate, and Kubernetes takes them."""

from typing import Any

import pytest
import yaml

from ops.errors import OpsError
from verify.chart.manifests import ChartRelease
from verify.chart.schemas import SHORT_VERSIONS, find_schema_errors
from verify.load.load_target import parse_target
from verify.load.manifests import DistributedLoad, render_manifests
from verify.load.profiles import CONFIG_FILE, read_profile

TARGET = parse_target("http://gateway.internshipconnect:8080")


def planned(requests_per_s: int = 1_000_000, pods: int | None = None) -> DistributedLoad:
    return DistributedLoad.plan(read_profile("seed"), TARGET, requests_per_s, pods)


def manifests(load: DistributedLoad) -> list[dict[str, Any]]:
    return list(yaml.safe_load_all(render_manifests(load)))


def variables(job: dict[str, Any]) -> dict[str, str]:
    [container] = job["spec"]["template"]["spec"]["containers"]
    return {each["name"]: each.get("value", "") for each in container["env"]}


@pytest.mark.parametrize(("requests_per_s", "pods"), [(1_000_000, None), (1_000_000, 4_000), (700, None)])
def test_the_pods_together_send_the_rate(requests_per_s: int, pods: int | None) -> None:
    _, job = manifests(planned(requests_per_s, pods))
    count = job["spec"]["completions"]
    assert job["spec"]["parallelism"] == count
    assert job["spec"]["completionMode"] == "Indexed"
    sessions_per_s = count * float(variables(job)["LOAD_SUSTAINED_RATE"])
    assert sessions_per_s * read_profile("seed").requests_per_session == pytest.approx(
        requests_per_s, rel=1e-4
    )


def test_every_variable_of_the_profile_is_given_and_the_password_is_a_secret() -> None:
    _, job = manifests(planned())
    given = variables(job)
    rates = [phase.rate_per_s for phase in read_profile("seed").phases]
    assert all(str(rate).removeprefix("{{ $env.").removesuffix(" }}") in given for rate in rates)
    [container] = job["spec"]["template"]["spec"]["containers"]
    [password] = [each for each in container["env"] if each["name"] == "LOAD_PASSWORD"]
    assert password["valueFrom"] == {"secretKeyRef": {"name": "load-test-accounts", "key": "password"}}
    assert container["args"][-1] == "/load-tests/artillery-config.yml"


def test_the_files_are_those_of_the_repository() -> None:
    config_map, _ = manifests(planned())
    assert config_map["data"]["artillery-config.yml"] == CONFIG_FILE.read_text()
    assert "module.exports" in config_map["data"]["load-test-functions.js"]


@pytest.mark.parametrize("version", SHORT_VERSIONS)
def test_kubernetes_takes_them(version: str) -> None:
    release = ChartRelease(manifests(planned()))
    assert list(find_schema_errors(release, version)) == []


@pytest.mark.parametrize(
    ("pods", "requests_per_s", "message"),
    [(10, 1_000_000, "--pods: 10 pods .* need 2,000"), (100_001, 1_000_000, "--pods: a Job has at most")],
)
def test_too_few_and_too_many_pods_are_refused(pods: int, requests_per_s: int, message: str) -> None:
    with pytest.raises(OpsError, match=message):
        planned(requests_per_s, pods)


def test_a_profile_of_one_machine_has_no_manifests() -> None:
    with pytest.raises(OpsError, match="--render: the profile 'smoke' is not for pods"):
        DistributedLoad.plan(read_profile("smoke"), TARGET, 1000, None)
