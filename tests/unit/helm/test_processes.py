"""What the chart gives a process is what its own code reads."""

import json
import os
import runpy
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any, ClassVar

import pytest
import yaml

from chassis.grpc.mesh import MeshMembership
from chassis.settings import ChassisSettings
from chassis.sharding.slot_map import SlotMap
from devstack.topology_parts import LOOPBACK
from gateway.xds.mesh import Mesh
from ops.cluster import even_slot_map
from ops.file_cluster import open_file_cluster
from tests.unit.helm.renders import data_of, python_containers, rendered
from verify.chart.manifests import ChartRelease, PodTemplate
from verify.chart.rendering import CHART
from verify.chart.rules.environment import settings_class

SECRET = "bGVzcyBpcyBtb3JlLCBhbmQgdGhpcyBpcyBsb25nIGVub3VnaA=="
CASES = ("trial", "production-eu-central")


@pytest.fixture
def empty_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith("IC_"):
            monkeypatch.delenv(name)


@pytest.mark.parametrize("case", CASES)
def test_every_process_accepts_its_settings(
    case: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, empty_environment: None
) -> None:
    release = rendered(case)
    containers = python_containers(release)
    assert len(containers) == 14
    for template, container in containers:
        root = tmp_path / template.name
        write_mounts(release, template, root)
        with monkeypatch.context() as here:
            for name, value in variables(container, root).items():
                here.setenv(name, value)
            settings = settings_class(container["command"][2]).model_validate({})
        if isinstance(settings, ChassisSettings):
            assert SlotMap.load(settings.slot_map).version == 1
            assert set(settings.peers) == set(yaml.safe_load(components())["services"])
            assert settings.xds_bootstrap is not None
            with monkeypatch.context() as here:
                here.setenv("GRPC_XDS_BOOTSTRAP", "")
                MeshMembership(settings.xds_bootstrap)


def components() -> str:
    return (CHART / "files" / "components.yaml").read_text()


def variables(container: Any, root: Path) -> dict[str, str]:
    found = {each["name"]: each.get("value", SECRET) for each in container["env"]}
    # Of the image, which has the contracts there.
    found |= {"IC_DESCRIPTORS": str(Path(__file__))} if "IC_DESCRIPTORS" in found else {}
    return {name: value.replace("/etc/internshipconnect", str(root)) for name, value in found.items()}


def write_mounts(release: ChartRelease, template: PodTemplate, root: Path) -> None:
    """Write the files that the pod's volumes hold."""
    maps = {each["metadata"]["name"]: each["data"] for each in release.of_kind("ConfigMap")}
    for volume in template.spec["volumes"]:
        folder = root / volume["name"]
        folder.mkdir(parents=True)
        source = volume.get("configMap") or volume.get("secret") or {}
        data = maps.get(source.get("name", ""), {})
        items = source.get("items") or [{"key": key, "path": key} for key in data]
        for item in items:
            (folder / item["path"]).write_text(data.get(item["key"], SECRET))


@pytest.mark.parametrize("case", CASES)
def test_the_slot_map_gives_every_shard_equally_many_slots(case: str) -> None:
    written = json.loads(data_of(rendered(case), "services")["slots.json"])
    slot_map = SlotMap.from_document(written)

    shards: Any = [type("Shard", (), {"name": name, "uri": uri}) for name, uri in slot_map.uris.items()]
    assert slot_map == even_slot_map(shards)


@pytest.mark.parametrize("case", CASES)
def test_the_control_plane_reads_the_mesh_file(case: str) -> None:
    mesh = Mesh.parse(data_of(rendered(case), "control-plane")["mesh.yaml"].encode())

    assert mesh.gateway.rate_limits is not None
    pods = rendered(case).pod_templates()
    names = {each.name for each in pods if each.component.endswith("-serve")}
    sources = [source for service in mesh.services.values() for source in service.endpoints]
    if case == "trial":
        assert {each.dns for each in sources} == {f"{name}.internships.svc.cluster.local" for name in names}
    else:
        assert {each.kubernetes and (each.kubernetes.service, each.kubernetes.port) for each in sources} == {
            (name, "grpc") for name in names
        }


@pytest.mark.parametrize("case", CASES)
def test_the_operators_command_reads_the_cluster_file(case: str, tmp_path: Path) -> None:
    for name, text in data_of(rendered(case), "provision").items():
        (tmp_path / name).write_text(text)
    cluster = open_file_cluster(tmp_path / "cluster.yaml")

    assert cluster.first_slot_map() == even_slot_map(cluster.shards)
    assert len(cluster.services) == 6
    (job,) = (each for each in rendered(case).pod_templates() if each.kind == "Job")
    (secrets,) = (volume for volume in job.spec["volumes"] if volume["name"] == "secrets")
    files = {item["path"] for source in secrets["projected"]["sources"] for item in source["secret"]["items"]}
    assert files == {
        "mongo-admin-user",
        "mongo-admin-password",
        "amqp-url",
        *(f"{service}-mongo-password" for service in cluster.services),
    }


class _Gateway(BaseHTTPRequestHandler):
    statuses: ClassVar[dict[str, int]] = {}

    def do_GET(self) -> None:
        self.send_response(self.statuses.get(self.path, 500))
        self.end_headers()
        self.wfile.write(b'{"data": [{}]}')

    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.fixture
def gateway() -> Iterator[str]:
    with HTTPServer((LOOPBACK, 0), _Gateway) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://{LOOPBACK}:{server.server_port}"
        server.shutdown()


def test_the_journey_ends_at_the_first_wrong_answer(gateway: str) -> None:
    journey = runpy.run_path(str(CHART / "files" / "journey.py"))
    _Gateway.statuses = dict(journey["STEPS"])
    journey["main"](gateway)

    _Gateway.statuses["/ready"] = 503
    with pytest.raises(SystemExit, match="/ready answered 503, not 200"):
        journey["main"](gateway)
