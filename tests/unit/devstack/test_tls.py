"""A stack's certificate, and who trusts it."""

import ssl
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from devstack import tls, topology
from devstack.tls import GatewayCertificate
from devstack.topology import Topology


def _handshake(server: GatewayCertificate, client: ssl.SSLContext, name: str) -> None:
    """Complete a handshake of both sides in memory. Raises ssl.SSLError when it fails."""
    serving = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    serving.load_cert_chain(server.chain, server.key)
    up, down = ssl.MemoryBIO(), ssl.MemoryBIO()
    asking = client.wrap_bio(down, up, server_hostname=name)
    answering = serving.wrap_bio(up, down, server_side=True)
    sides = [asking, answering]
    while sides:
        for side in tuple(sides):
            try:
                side.do_handshake()
                sides.remove(side)
            except ssl.SSLWantReadError:
                continue


@pytest.fixture
def certificate(stack: Topology) -> GatewayCertificate:
    return tls.ensure_certificate(stack)


@pytest.mark.parametrize("name", ["localhost", "127.0.0.1", "::1"])
def test_a_client_that_trusts_the_authority_trusts_the_gateway_under_its_names(
    stack: Topology, certificate: GatewayCertificate, name: str
) -> None:
    _handshake(certificate, tls.client_ssl_context(stack), name)


def test_another_name_is_not_vouched_for(stack: Topology, certificate: GatewayCertificate) -> None:
    with pytest.raises(ssl.SSLCertVerificationError, match=r"example\.com"):
        _handshake(certificate, tls.client_ssl_context(stack), "example.com")


def test_another_stacks_authority_does_not_vouch_for_it(
    stack: Topology, certificate: GatewayCertificate
) -> None:
    other = topology.find_or_create_stack("other")
    tls.ensure_certificate(other)
    with pytest.raises(ssl.SSLCertVerificationError):
        _handshake(certificate, tls.client_ssl_context(other), "localhost")


def test_the_key_is_readable_by_its_owner_alone_and_the_authoritys_is_nowhere(
    stack: Topology, certificate: GatewayCertificate
) -> None:
    assert stat.S_IMODE(certificate.key.stat().st_mode) == 0o600
    keys = [path for path in Path(stack.root).rglob("*") if path.is_file() and "PRIVATE" in path.read_text()]
    assert keys == [certificate.key]


def test_a_certificate_is_kept_while_it_is_good(stack: Topology, certificate: GatewayCertificate) -> None:
    authority = tls.authority_path(stack).read_bytes()
    assert tls.ensure_certificate(stack) == tls.find_certificate(stack) == certificate
    assert tls.authority_path(stack).read_bytes() == authority


def test_one_that_is_about_to_expire_is_followed_by_another_of_another_name(
    stack: Topology, certificate: GatewayCertificate
) -> None:
    late = datetime.now(UTC) + tls.CERTIFICATE_LIFETIME - timedelta(days=20)
    newer = tls.ensure_certificate(stack, late)
    assert newer != certificate
    assert newer.expires > certificate.expires
    assert tls.find_certificate(stack) == newer
    _handshake(newer, tls.client_ssl_context(stack), "localhost")


def test_a_stack_without_tls_trusts_as_usual(stack: Topology) -> None:
    assert tls.httpx_verify(stack) is True
