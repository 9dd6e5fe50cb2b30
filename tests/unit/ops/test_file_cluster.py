"""A file of endpoints and a folder of secrets stand for a cluster; a wrong one says where it is wrong."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from devstack.cluster_export import write_cluster_file
from devstack.local_cluster import LocalCluster
from ops.cli import main
from ops.cluster import Cluster, open_cluster
from ops.errors import OpsError
from ops.file_cluster import FileCluster
from tests.contracts.cluster import ClusterContract

ELSEWHERE = "mongodb://db1:27017/?replicaSet=eu4"


@pytest.fixture
def file(local: LocalCluster, tmp_path: Path) -> Path:
    return write_cluster_file(local, tmp_path / "cluster")


class TestFileCluster(ClusterContract):
    @pytest.fixture
    def cluster(self, file: Path) -> Cluster:
        return opened(file)


def opened(path: Path) -> FileCluster:
    found = open_cluster(str(path))
    assert isinstance(found, FileCluster)
    return found


def edit(path: Path, change: Callable[[Any], None]) -> None:
    written = yaml.safe_load(path.read_text())
    change(written)
    path.write_text(yaml.safe_dump(written, sort_keys=False))


def test_a_stack_written_as_a_file_gives_the_same_endpoints_and_secrets(
    local: LocalCluster, file: Path
) -> None:
    found = opened(file)

    def facts(cluster: Cluster) -> list[object]:
        return [
            cluster.name,
            [(shard.name, shard.uri) for shard in cluster.shards],
            cluster.admin_login,
            cluster.amqp_url,
            cluster.control_plane,
            cluster.services,
            cluster.first_slot_map(),
            cluster.operator_key().read_text(),
            *(cluster.service_address(service) for service in cluster.services),
            *(cluster.service_mongo_password(service) for service in cluster.services),
        ]

    assert facts(found) == facts(local)
    assert (found.reference, str(found)) == (str(file.resolve()), "the cluster 'unit'")


def test_a_service_gets_the_settings_of_the_stack_s_own_processes(
    local: LocalCluster, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(FileCluster, "_read_slot_map", lambda *_: None)
    edit(file, lambda written: written["services"].update(user={
        "address": written["services"]["user"], "settings": {"IC_LOG_LEVEL": "ERROR"},
    }))  # fmt: skip

    found = dict(opened(file).service_environment("user"))

    own = local.service_environment("user")
    files = {"IC_SLOT_MAP", "IC_SERVICE_KEY", "IC_SERVICE_JWKS"}
    for name in files:
        assert Path(found[name]).exists()
    Path(found["IC_SLOT_MAP"]).unlink()
    assert found.pop("IC_LOG_LEVEL") == "ERROR"
    same = found.keys() - files - {"IC_GRPC_PORT", "IC_OPS_PORT", "IC_PEERS"}
    assert {name: found[name] for name in same} == {name: own[name] for name in same}


def test_a_file_that_is_wrong_is_answered_with_every_field_that_is(file: Path) -> None:
    def spoil(written: Any) -> None:
        written["shards"]["s2"] = "mongodb://admin:hunter2@db:27017/"
        written["redis"] = ["no port"]
        written["controlplane"] = "x:1"
        del written["name"]

    edit(file, spoil)

    with pytest.raises(OpsError) as refused:
        open_cluster(str(file))

    said = str(refused.value)
    assert "name: Field required" in said
    assert "shards.s2: the address of a shard holds no user and no password" in said
    assert "redis.0: String should match pattern" in said
    assert "controlplane: Extra inputs are not permitted" in said
    assert "hunter2" not in said


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("shards: [", "is no YAML"),
        ("", "the whole file: Input should be"),
        ("name: x\nshards: {}\nservices: {}", "shards: Dictionary should have at least 1 item"),
        (
            "name: x\nshards: {s1: 'mongodb://a:1/?replicaSet=s1'}\nservices: {mail: 'a:1'}",
            "services.mail: there are only auth, user",
        ),
    ],
)
def test_nonsense_is_refused(tmp_path: Path, text: str, says: str) -> None:
    path = tmp_path / "cluster.yaml"
    path.write_text(text)

    with pytest.raises(OpsError, match=says):
        open_cluster(str(path))


def test_a_secret_or_field_that_is_missing_is_named_when_it_is_needed(file: Path) -> None:
    (file.parent / "secrets" / "mongo-admin-password").unlink()
    (file.parent / "secrets" / "ops-key.pem").unlink()

    def cut(written: Any) -> None:
        del written["control_plane"], written["services"]["user"]

    edit(file, cut)
    found = opened(file)

    for ask, says in (
        (lambda: found.admin_login, "there is no secret 'mongo-admin-password' in "),
        (found.operator_key, "there is no secret 'ops-key.pem' in "),
        (lambda: found.control_plane, "has no `control_plane`"),
        (lambda: found.service_address("user"), "no address of the service 'user'"),
    ):
        with pytest.raises(OpsError, match=says):
            ask()
    assert "user" not in found.services


def test_the_secret_amqp_url_goes_before_the_parts(file: Path) -> None:
    (file.parent / "secrets" / "amqp-url").write_text("amqps://u:p@broker/ic\n")

    assert opened(file).amqp_url == "amqps://u:p@broker/ic"


def test_a_shard_that_is_added_is_kept_in_the_file(file: Path) -> None:
    found = opened(file)
    with pytest.raises(OpsError, match="ic shards add s3 URI"):
        found.with_shard("s3")

    found.with_shard("s3", ELSEWHERE).save()

    assert opened(file).shards[2].uri == ELSEWHERE
    assert opened(file).with_shard_uri("s1", ELSEWHERE).shards[0].uri == ELSEWHERE


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--cluster", "{file}", "shards", "list", "--stack", "other"], "give one of the two"),
        (["--cluster", "{file}", "up"], "`ic up` works on local stacks only"),
        (["--cluster", "/nowhere.yaml", "shards", "list"], "/nowhere.yaml cannot be read"),
    ],
)
def test_options_that_contradict_each_other_are_refused(
    file: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], says: str
) -> None:
    with pytest.raises(SystemExit) as ended:
        main([argument.format(file=file) for argument in arguments])

    assert ended.value.code == 1
    assert says in capsys.readouterr().out
