"""TLS to the stores in the chart: who has the files, and whose settings name them."""

import pytest
import yaml

from tests.unit.helm.renders import data_of, rendered
from verify.chart.rendering import REGIONS

FOLDER = "/etc/internshipconnect/stores-tls"
SECURE = rendered(f"production-{REGIONS[0]}")
WITHOUT_STORES = {"gateway", "control-plane", "journey-test"}


def test_every_pod_that_uses_stores_has_their_authority() -> None:
    for template in SECURE.pod_templates():
        mounted = {volume["name"]: volume for volume in template.spec.get("volumes", [])}
        assert ("stores-tls" in mounted) is (template.component not in WITHOUT_STORES), template.component
        if "stores-tls" not in mounted:
            continue
        assert mounted["stores-tls"]["secret"]["secretName"] == "internshipconnect-stores-tls"
        for container in template.containers:
            paths = {mount["name"]: mount["mountPath"] for mount in container["volumeMounts"]}
            assert paths["stores-tls"] == FOLDER
            if container.get("command", [])[:2] == ["python", "-m"]:
                variables = {each["name"]: each.get("value") for each in container["env"]}
                assert (variables["IC_STORES_TLS_FOLDER"], variables["IC_REDIS_TLS"]) == (FOLDER, "true")


def test_the_operators_commands_know_of_it() -> None:
    cluster = yaml.safe_load(data_of(SECURE, "provision")["cluster.yaml"])
    assert cluster["stores_tls"] == FOLDER
    assert cluster["settings"] == {"IC_REDIS_TLS": "true"}


@pytest.mark.parametrize("case", ["trial"])
def test_without_it_nothing_of_it_is_there(case: str) -> None:
    release = rendered(case)
    assert not any("stores-tls" in str(each) or "IC_REDIS_TLS" in str(each) for each in release.manifests)
