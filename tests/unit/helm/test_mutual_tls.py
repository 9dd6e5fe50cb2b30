"""Mutual TLS by cert-manager: each process has the certificate that callers expect, where it reads it."""

import json
from pathlib import Path
from typing import Any

import pytest

from chassis.grpc.mesh import CONTROL_PLANE_NAME
from gateway.xds.mesh import Mesh, MeshTls
from gateway.xds.mutual_tls import (
    RATE_LIMITER_NAME,
    grpc_bootstrap_fields,
    grpc_control_plane_credentials,
    render_mesh_secrets,
)
from ops.service_names import SERVICES
from tests.unit.helm.renders import data_of, rendered
from verify.chart.manifests import PodTemplate
from verify.chart.operator_kinds import find_type_errors
from verify.chart.rendering import CHART

SECURE = rendered("mutual-tls")
FOLDER = Path("/etc/internshipconnect/mesh-tls")


def _certificates() -> dict[str, dict[str, Any]]:
    return {
        each["spec"]["secretName"]: each["spec"]
        for each in SECURE.of_kind("Certificate")
        if each["spec"]["secretName"].endswith("-mesh-tls")
    }


def _secret_of(template: PodTemplate) -> str:
    [volume] = [each for each in template.spec["volumes"] if each["name"] == "mesh-tls"]
    return str(volume["secret"]["secretName"])


def _own_pods() -> list[PodTemplate]:
    return [each for each in SECURE.pod_templates() if each.component != "journey-test"]


def test_every_pod_has_the_certificate_of_its_component_where_it_reads_it() -> None:
    assert len(_own_pods()) > 15
    for template in _own_pods():
        assert _secret_of(template) == f"internshipconnect-{template.component}-mesh-tls"
        assert _secret_of(template) in _certificates()
        for container in template.containers:
            mounts = {mount["name"]: mount["mountPath"] for mount in container["volumeMounts"]}
            assert mounts["mesh-tls"] == str(FOLDER)
            if container.get("command", [])[:2] == ["python", "-m"]:
                variables = {each["name"]: each.get("value") for each in container["env"]}
                assert variables["IC_TLS_FOLDER"] == str(FOLDER)
                assert "IC_GRPC_ENGINE" not in variables


def test_a_servers_certificate_is_for_the_name_that_callers_expect() -> None:
    names = {secret: spec["dnsNames"] for secret, spec in _certificates().items()}
    for service in SERVICES:
        assert names[f"internshipconnect-{service}-serve-mesh-tls"] == [service]
    assert names["internshipconnect-rate-limiter-mesh-tls"] == [RATE_LIMITER_NAME]
    control_plane = names["internshipconnect-control-plane-mesh-tls"]
    assert control_plane[0] == CONTROL_PLANE_NAME
    bootstrap = json.loads(data_of(SECURE, "services")["xds-auth-serve.json"])
    assert bootstrap["xds_servers"][0]["server_uri"].partition(":")[0] == control_plane[1]


def test_nobody_but_a_server_has_a_certificate_for_its_name() -> None:
    for secret, spec in _certificates().items():
        if not secret.endswith("-serve-mesh-tls"):
            assert not set(spec["dnsNames"]) & set(SERVICES), secret
        assert {"server auth", "client auth"} < set(spec["usages"])


def test_the_files_are_those_that_the_code_makes() -> None:
    bootstrap = json.loads(data_of(SECURE, "services")["xds-auth-serve.json"])
    assert bootstrap["certificate_providers"] == grpc_bootstrap_fields(FOLDER)["certificate_providers"]
    assert bootstrap["xds_servers"][0]["channel_creds"] == grpc_control_plane_credentials(FOLDER)
    config = data_of(SECURE, "gateway")
    for name, content in render_mesh_secrets(MeshTls(folder=FOLDER)).items():
        assert json.loads(config[name]) == content
    mesh = Mesh.parse(data_of(SECURE, "control-plane")["mesh.yaml"].encode())
    assert mesh.tls == MeshTls(folder=FOLDER)


def test_the_gateway_asks_its_control_plane_over_tls() -> None:
    bootstrap = json.loads(data_of(SECURE, "gateway")["bootstrap.json"])
    clusters = {each["name"]: each for each in bootstrap["static_resources"]["clusters"]}
    socket = clusters["control-plane"]["transport_socket"]["typed_config"]["common_tls_context"]
    [secret] = socket["tls_certificate_sds_secret_configs"]
    path = secret["sds_config"]["path_config_source"]["path"]
    assert Path(path).name in data_of(SECURE, "gateway")


@pytest.mark.parametrize("case", ["trial", "production-us-east", "istio"])
def test_without_it_nothing_of_it_is_there(case: str) -> None:
    release = rendered(case)
    assert not list(release.of_kind("Issuer"))
    assert not any("IC_TLS_FOLDER" in str(each) for each in release.manifests)
    assert Mesh.parse(data_of(release, "control-plane")["mesh.yaml"].encode()).tls is None


def test_the_kinds_have_no_field_that_cert_manager_does_not_know() -> None:
    assert not list(find_type_errors(SECURE))
    assert (CHART / "files" / "envoy-bootstrap-tls.json").exists()
