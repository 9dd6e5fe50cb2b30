"""Files of mutual TLS: which are taken, and when they are read again."""

import re
from pathlib import Path

import grpc
import pytest
import trustme

from chassis import tls_files
from chassis.security.mutual_tls import IdentityFiles, MutualTls
from tests.mounted_secret import MountedSecret


@pytest.fixture
def secret(tmp_path: Path) -> MountedSecret:
    return MountedSecret(tmp_path / "tls", ("auth",))


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("tls.crt", None, "tls.crt"),
        ("tls.crt", "no PEM", "cannot be used"),
        ("tls.key", None, "tls.key"),
        ("tls.key", "", "cannot be used"),
        ("ca.crt", None, "ca.crt"),
        ("ca.crt", "-----BEGIN CERTIFICATE-----", "cannot be used"),
    ],
)
def test_a_file_that_is_missing_or_no_pem_is_named(
    secret: MountedSecret, name: str, content: str | None, says: str
) -> None:
    file = secret.folder / name
    file.unlink()
    if content is not None:
        file.write_text(content)
    with pytest.raises(ValueError, match=re.escape(says)):
        MutualTls(secret.folder)


def test_a_key_of_another_certificate_is_refused(secret: MountedSecret) -> None:
    key = secret.folder / "tls.key"
    key.unlink()
    key.write_bytes(trustme.CA().issue_cert("auth").private_key_pem.bytes())
    with pytest.raises(ValueError, match=r"tls\.key is not the key of tls\.crt"):
        MutualTls(secret.folder)


def test_without_a_folder_there_is_no_tls(secret: MountedSecret) -> None:
    assert MutualTls.open(None) is None
    assert MutualTls.open(secret.folder) is not None


def test_replaced_files_are_read_again_and_others_are_not(
    secret: MountedSecret, monkeypatch: pytest.MonkeyPatch
) -> None:
    reads: list[Path] = []
    read = IdentityFiles.read

    def counted(folder: Path) -> IdentityFiles:
        reads.append(folder)
        return read(folder)

    monkeypatch.setattr(IdentityFiles, "read", counted)
    tls = MutualTls(secret.folder)
    assert isinstance(tls.channel_credentials(), grpc.ChannelCredentials)
    assert isinstance(tls.server_credentials(), grpc.ServerCredentials)
    assert len(reads) == 1
    first = tls._current()
    secret.renew()
    assert tls._current().certificate != first.certificate
    assert tls._current().authority == first.authority
    assert len(reads) == 2


def test_files_that_are_half_replaced_wait_for_the_rest(secret: MountedSecret) -> None:
    tls = MutualTls(secret.folder)
    first, key = tls._current(), secret.folder / "tls.key"
    content = key.read_bytes()
    key.unlink()
    assert tls._current() == first
    key.write_bytes(trustme.CA().issue_cert("auth").private_key_pem.bytes())
    assert tls._current() == first
    key.write_bytes(content)
    assert tls._current() == first


def test_the_names_of_the_files_are_those_of_cert_manager() -> None:
    names = (tls_files.CERTIFICATE_FILE, tls_files.KEY_FILE, tls_files.AUTHORITY_FILE)
    assert names == ("tls.crt", "tls.key", "ca.crt")
