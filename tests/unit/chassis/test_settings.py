"""Settings: all errors are reported together, by variable, and no value is ever shown."""

import base64
import re
from pathlib import Path

import pytest

from chassis.settings import ChassisSettings, decode_key, load_settings

KEY = base64.b64encode(bytes(32)).decode()


class ServiceSettings(ChassisSettings):
    """A service's own settings beside the chassis'."""

    mail_batch: int = 10


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> pytest.MonkeyPatch:
    file = tmp_path / "file.json"
    file.write_text("{}")
    values = {
        "GRPC_PORT": "5001",
        "OPS_PORT": "6001",
        "SLOT_MAP": str(file),
        "MONGO_USER": "user",
        "MONGO_PASSWORD": "mongo-secret",
        "REDIS_NODES": "127.0.0.1:7001, 127.0.0.1:7002",
        "REDIS_PASSWORD": "redis-secret",
        "AMQP_URL": "amqp://ic:amqp-secret@127.0.0.1:5672/ic",
        "PEERS": '{"auth": "127.0.0.1:5001"}',
        "SERVICE_KEY": str(file),
        "SERVICE_JWKS": str(file),
        "PAGE_TOKEN_KEY": KEY,
        "DATA_KEY": KEY,
        "PUBLIC_URL": "http://127.0.0.1:8080",
    }
    for name, value in values.items():
        monkeypatch.setenv(f"IC_{name}", value)
    return monkeypatch


def complaints(capsys: pytest.CaptureFixture[str]) -> str:
    with pytest.raises(SystemExit) as stopped:
        load_settings(ServiceSettings)
    assert stopped.value.code == 2
    return capsys.readouterr().err


def test_a_complete_environment_is_read(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("IC_MAIL_BATCH", "25")

    settings = load_settings(ServiceSettings)

    assert settings.redis_nodes == ("127.0.0.1:7001", "127.0.0.1:7002")
    assert settings.peers == {"auth": "127.0.0.1:5001"}
    assert decode_key(settings.page_token_key) == bytes(32)
    assert settings.mail_batch == 25


def test_all_missing_and_wrong_settings_are_listed_at_once(
    environment: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    environment.delenv("IC_MONGO_PASSWORD")
    environment.setenv("IC_GRPC_PORT", "seventy")
    environment.setenv("IC_PEERS", '{"auth": ')
    environment.setenv("IC_SLOT_MAP", "/nowhere/slots.json")
    environment.setenv("IC_MAIL_BATCH", "many")

    told = complaints(capsys)

    for variable in ("MONGO_PASSWORD", "GRPC_PORT", "PEERS", "SLOT_MAP", "MAIL_BATCH"):
        assert told.count(f"IC_{variable}: ") == 1
    assert "IC_MONGO_PASSWORD: is not set" in told


def test_an_empty_variable_counts_as_not_set(
    environment: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    environment.setenv("IC_DATA_KEY", "")

    assert "IC_DATA_KEY: is not set" in complaints(capsys)


@pytest.mark.parametrize(
    ("key", "complaint"), [("not base64!", "is not base64"), ("c2hvcnQ=", "holds 5 bytes")]
)
def test_a_key_that_is_none_is_refused_and_not_shown(
    environment: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], key: str, complaint: str
) -> None:
    environment.setenv("IC_DATA_KEY", key)

    told = complaints(capsys)

    assert f"IC_DATA_KEY: {complaint}" in told
    assert key not in told


def test_a_redis_node_without_a_port_is_named(
    environment: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    environment.setenv("IC_REDIS_NODES", "127.0.0.1:7001,otherhost")

    assert "IC_REDIS_NODES[1]: " in complaints(capsys)


def test_no_secret_shows_when_settings_are_printed(environment: pytest.MonkeyPatch) -> None:
    printed = repr(load_settings(ServiceSettings))

    assert all(secret not in printed for secret in ("mongo-secret", "redis-secret", "amqp-secret", KEY))


def test_settings_can_not_be_changed(environment: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValueError, match="frozen"):
        load_settings(ServiceSettings).mail_batch = 3


def test_with_tls_the_engine_is_the_one_that_has_it(
    environment: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert load_settings(ServiceSettings).server_engine == "native"
    environment.setenv("IC_TLS_FOLDER", str(tmp_path))
    assert load_settings(ServiceSettings).server_engine == "grpcio"
    environment.setenv("IC_GRPC_ENGINE", "native")
    assert re.search(r"IC_GRPC_ENGINE.*`native` has no TLS", complaints(capsys))


def test_a_folder_for_tls_has_to_be_there(
    environment: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    environment.setenv("IC_TLS_FOLDER", "/nowhere")
    assert "IC_TLS_FOLDER" in complaints(capsys)
