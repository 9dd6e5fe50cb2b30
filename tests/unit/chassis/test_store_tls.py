"""The files of TLS to the stores."""

import ssl
from pathlib import Path

import pytest
import trustme

from chassis.messaging.broker_connection import connect_broker
from chassis.store_tls import StoreTls
from tests.mounted_secret import MountedSecret


def test_the_authority_alone_is_enough(tmp_path: Path) -> None:
    (tmp_path / "ca.crt").write_bytes(trustme.CA().cert_pem.bytes())
    context = StoreTls(tmp_path).new_context()
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname
    assert len(context.get_ca_certs()) == 1
    assert "certfile" not in StoreTls(tmp_path).broker_options()


def test_without_a_folder_the_authorities_of_the_system_are_trusted() -> None:
    context = StoreTls().new_context()
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname
    assert len(context.get_ca_certs()) > 1


@pytest.mark.parametrize(
    ("name", "content"), [("ca.crt", None), ("ca.crt", b"none"), ("tls.key", None), ("tls.crt", b"none")]
)
def test_files_that_cannot_be_used_are_refused(tmp_path: Path, name: str, content: bytes | None) -> None:
    secret = MountedSecret(tmp_path / "secret", ("client",))
    (secret.folder / name).unlink()
    if content is not None:
        (secret.folder / name).write_bytes(content)
    with pytest.raises(ValueError, match=f"TLS files of the stores in {secret.folder} cannot be used"):
        StoreTls(secret.folder)


def test_files_that_are_half_replaced_leave_the_former_ones_in_use(tmp_path: Path) -> None:
    secret = MountedSecret(tmp_path / "secret", ("client",))
    context = StoreTls(secret.folder).new_context()
    (secret.folder / "ca.crt").unlink()
    context.wrap_bio(ssl.MemoryBIO(), ssl.MemoryBIO(), server_hostname="store")
    assert len(context.get_ca_certs()) == 1


def test_a_new_authority_is_trusted_by_the_next_connection(tmp_path: Path) -> None:
    secret = MountedSecret(tmp_path / "secret", ("client",))
    context = StoreTls(secret.folder).new_context()
    secret.replace_by(MountedSecret(tmp_path / "other", ("client",)))
    context.wrap_bio(ssl.MemoryBIO(), ssl.MemoryBIO(), server_hostname="store")
    assert len(context.get_ca_certs()) == 2


def test_only_amqps_is_over_tls() -> None:
    assert not connect_broker("amqp://127.0.0.1:5672//", timeout_s=1.0).ssl
    assert connect_broker("amqps://127.0.0.1:5671//", timeout_s=1.0).ssl["cert_reqs"] is ssl.CERT_REQUIRED


def test_each_broker_is_asked_for_its_own_name() -> None:
    connection = connect_broker("amqps://first:5671//;amqps://second:5671//", timeout_s=1.0)
    # As Kombu does when it connects.
    connection.ssl["server_hostname"] = connection.hostname
    connection.switch("amqps://second:5671//")
    assert connection.hostname == "second"
    assert connection.ssl["server_hostname"] is None
