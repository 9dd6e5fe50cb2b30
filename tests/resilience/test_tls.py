"""TLS at the gateways: every protocol on the one port, and nobody without the authority."""

import socket
import ssl
import subprocess
import sys

import grpc
import httpx
import pytest

from devstack import tls
from internshipconnect.internship.v1 import internship_pb2 as pb
from internshipconnect.internship.v1.internship_pb2_grpc import InternshipServiceStub
from tests.stack import StackHandle

pytestmark = pytest.mark.thorough

LISTINGS = "/api/v1/internships"


@pytest.mark.parametrize("region", [0, 1])
@pytest.mark.parametrize(("http2", "version"), [(False, "HTTP/1.1"), (True, "HTTP/2")])
def test_http_1_and_2_are_spoken_over_tls(stack: StackHandle, region: int, http2: bool, version: str) -> None:
    url = stack.topology.region_url(stack.topology.regions[region])
    with httpx.Client(base_url=url, http2=http2, verify=stack.trust, trust_env=False) as client:
        answer = client.get(LISTINGS)
    assert (answer.status_code, answer.http_version) == (200, version)
    assert answer.headers["strict-transport-security"] == "max-age=31536000"


def test_grpc_is_spoken_over_tls_with_typed_stubs(stack: StackHandle) -> None:
    trusted = grpc.ssl_channel_credentials(tls.authority_path(stack.topology).read_bytes())
    with grpc.secure_channel(f"localhost:{stack.topology.gateway}", trusted) as channel:
        answer = InternshipServiceStub(channel).ListInternships(pb.ListInternshipsRequest(), timeout=5.0)
    assert isinstance(answer, pb.ListInternshipsResponse)


def test_a_client_that_does_not_know_the_authority_refuses(stack: StackHandle) -> None:
    with pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
        httpx.get(stack.gateway_url + LISTINGS, trust_env=False)


def test_plain_http_is_not_answered(stack: StackHandle) -> None:
    with pytest.raises(httpx.TransportError):
        httpx.get(f"http://127.0.0.1:{stack.topology.gateway}{LISTINGS}", trust_env=False)


@pytest.mark.parametrize(
    ("newest", "spoken"), [(ssl.TLSVersion.TLSv1_2, "TLSv1.2"), (ssl.TLSVersion.TLSv1_3, "TLSv1.3")]
)
def test_tls_1_2_and_1_3_are_spoken(stack: StackHandle, newest: ssl.TLSVersion, spoken: str) -> None:
    client = tls.client_ssl_context(stack.topology)
    client.maximum_version = newest
    assert _agreed(stack, client) == spoken


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")
def test_tls_1_1_is_refused(stack: StackHandle) -> None:
    client = tls.client_ssl_context(stack.topology)
    client.minimum_version = client.maximum_version = ssl.TLSVersion.TLSv1_1
    # As our own side would not offer it otherwise.
    client.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.raises(ssl.SSLError, match="ALERT_PROTOCOL_VERSION"):
        _agreed(stack, client)


def _agreed(stack: StackHandle, client: ssl.SSLContext) -> str | None:
    with (
        socket.create_connection(("127.0.0.1", stack.topology.gateway), timeout=5) as plain,
        client.wrap_socket(plain, server_hostname="localhost") as secured,
    ):
        return secured.version()


def test_the_main_journey_works_over_tls_and_its_mails_lead_to_the_gateway(stack: StackHandle) -> None:
    command = [sys.executable, "-m", "ops.cli", "demo", "--stack", stack.topology.name]
    walked = subprocess.run(command, check=False, capture_output=True, text=True)
    assert walked.returncode == 0, walked.stdout + walked.stderr
    newest = httpx.get(f"{stack.mailbox_url}/mails", params={"limit": 1}, timeout=5.0).json()["mails"][0]
    links = httpx.get(f"{stack.mailbox_url}/mails/{newest['id']}", timeout=5.0).json()["links"]
    assert [link for link in links if link.startswith(f"{stack.gateway_url}/")]
