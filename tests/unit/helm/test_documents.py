"""The store and the scanner of documents: who reaches them, and who has the key of the bucket."""

from dataclasses import replace
from typing import Any

import pytest

from devstack.toolbox import tools
from tests.unit.helm.renders import case_named, python_containers, rendered
from verify.chart.manifests import ChartRelease
from verify.chart.rendering import HELM_RELEASES, parse_release, render_chart
from verify.chart.rules.environment import find_wrong_settings
from verify.chart.rules.network import dependency_ports, find_wrong_outside_edges

BUCKET = "settings.user.IC_BLOBS=s3://documents/of/students"
OWN_SERVER = "settings.user.IC_S3_ENDPOINT=http://minio.stores:9000"
KEY = "settings.user.IC_S3_ACCESS_KEY=internshipconnect"
CLAMD = "settings.user.IC_CLAMD=clamd.stores:3310"
USER_PROCESSES = {"user-serve", "user-work"}


def release(*values: str, case: str = "trial") -> ChartRelease:
    chosen = replace(case_named(case), values=(*case_named(case).values, *values))
    return parse_release(chosen, render_chart(chosen, tools.helm(HELM_RELEASES[0])))


def variables(found: ChartRelease) -> dict[str, dict[str, Any]]:
    return {
        template.component: {each["name"]: each for each in container["env"]}
        for template, container in python_containers(found)
    }


def test_store_and_scanner_are_reached_by_the_processes_that_use_them() -> None:
    found = release(BUCKET, OWN_SERVER, KEY, CLAMD)
    ports = dependency_ports(found)
    assert (ports["blobs"], ports["clamd"]) == ({9000}, {3310})
    assert [*find_wrong_outside_edges(found), *find_wrong_settings(found)] == []


@pytest.mark.parametrize(
    ("values", "ports"),
    [
        ((BUCKET,), {443}),
        ((BUCKET, "settings.user.IC_S3_ENDPOINT=http://minio.stores"), {80}),
        (("settings.user.IC_BLOBS=file:///data",), set()),
        ((), set()),
    ],
)
def test_the_port_of_the_store_is_that_of_its_address(values: tuple[str, ...], ports: set[int]) -> None:
    found = release(*values)
    assert dependency_ports(found).get("blobs", set()) == ports
    assert list(find_wrong_outside_edges(found)) == []


def test_the_key_of_the_bucket_is_a_secret_of_the_user_service_and_only_where_there_is_one() -> None:
    with_key = variables(release(BUCKET, KEY))
    holders = {name for name, environment in with_key.items() if "IC_S3_SECRET_KEY" in environment}
    assert holders == USER_PROCESSES
    secret = with_key["user-work"]["IC_S3_SECRET_KEY"]["valueFrom"]["secretKeyRef"]
    assert secret == {"name": "ic-trial-user", "key": "s3-secret-key"}
    assert not any("IC_S3_SECRET_KEY" in environment for environment in variables(release(BUCKET)).values())


def test_production_keeps_documents_in_a_bucket_for_both_roles() -> None:
    found = variables(rendered("production-eu-central"))
    stores = {
        name: environment["IC_BLOBS"]["value"]
        for name, environment in found.items()
        if "IC_BLOBS" in environment
    }
    assert set(stores) == USER_PROCESSES
    assert {url.partition("//")[0] for url in stores.values()} == {"s3:"}
