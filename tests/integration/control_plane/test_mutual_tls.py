"""Mutual TLS among services, gateway and control plane, whose certificates are replaced during calls."""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import grpc
import pytest
import trustme

from chassis.security.mutual_tls import NAME_OVERRIDE_OPTION, MutualTls
from gateway.xds.nodes import GATEWAY_GROUP
from internshipconnect.internship.v1 import internship_pb2 as pb
from internshipconnect.internship.v1.internship_pb2_grpc import InternshipServiceStub
from tests.integration.control_plane.harness import (
    CALLER,
    LISTING,
    ControlPlaneHarness,
    EchoInstance,
    VariantName,
    wait_until,
)
from tests.mounted_secret import MountedSecret
from tests.waiting import WAIT_TIMEOUT_S

SERVICE = "internship"
both = pytest.mark.parametrize("variant", ["state of the world", "delta"])


@pytest.fixture
async def secure(tmp_path: Path) -> AsyncIterator[ControlPlaneHarness]:
    """Yield a world in which every call is over mutual TLS."""
    async with AsyncExitStack() as closing:
        harness = ControlPlaneHarness(tmp_path, closing, is_patient=True)
        harness.use_mutual_tls(trustme.CA())
        harness.write_mesh(tls={"folder": str(harness.secrets[GATEWAY_GROUP].folder)})
        await harness.start_control_plane()
        closing.push_async_callback(harness.stop_control_plane)
        yield harness


async def _title(channel: grpc.aio.Channel) -> str:
    stub: Any = InternshipServiceStub(channel)
    request = pb.GetInternshipRequest(internship_id=LISTING)
    answer = await stub.GetInternship(request, timeout=WAIT_TIMEOUT_S, wait_for_ready=True)
    return str(answer.title)


async def _refusal(echo: EchoInstance, credentials: grpc.ChannelCredentials | None, name: str) -> str:
    """Return how a direct call to a server fails; empty if it does not."""
    address, options = f"127.0.0.1:{echo.port}", ((NAME_OVERRIDE_OPTION, name),)
    channel = (
        grpc.aio.insecure_channel(address)
        if credentials is None
        else grpc.aio.secure_channel(address, credentials, options=options)
    )
    async with channel:
        stub: Any = InternshipServiceStub(channel)
        try:
            await stub.GetInternship(pb.GetInternshipRequest(internship_id=LISTING), timeout=WAIT_TIMEOUT_S)
        except grpc.aio.AioRpcError as error:
            return error.code().name
    return ""


def _shown_certificate(echo: EchoInstance, secret: MountedSecret) -> bytes:
    """Return the certificate that a server shows to a new connection."""
    context = ssl._create_unverified_context()
    context.load_cert_chain(secret.folder / "tls.crt", secret.folder / "tls.key")
    context.set_alpn_protocols(["h2"])
    with socket.create_connection(("127.0.0.1", echo.port)) as plain, context.wrap_socket(plain) as secured:
        return secured.getpeercert(binary_form=True) or b""


@both
async def test_the_gateway_reaches_services_over_mutual_tls(
    secure: ControlPlaneHarness, variant: VariantName
) -> None:
    echo = await secure.echo()
    await secure.envoy(variant)
    await wait_until(secure.gateway_answers, "the gateway to answer")
    assert echo.calls > 0


async def test_services_reach_each_other_over_mutual_tls(secure: ControlPlaneHarness) -> None:
    echo = await secure.echo()
    assert await _title(secure.proxyless()) == echo.title


async def test_a_server_answers_only_clients_of_the_authority(secure: ControlPlaneHarness) -> None:
    echo, caller = await secure.echo(), MutualTls(secure.secrets[CALLER].folder)
    unknown = MountedSecret(secure.folder / "unknown", (CALLER,))
    without = grpc.ssl_channel_credentials((secure.secrets[CALLER].folder / "ca.crt").read_bytes())
    assert await _refusal(echo, caller.channel_credentials(), SERVICE) == ""
    for credentials in (None, without, MutualTls(unknown.folder).channel_credentials()):
        assert await _refusal(echo, credentials, SERVICE) == "UNAVAILABLE"
    assert echo.calls == 1


async def test_a_client_speaks_only_to_a_server_of_the_right_name(secure: ControlPlaneHarness) -> None:
    echo, caller = await secure.echo(), MutualTls(secure.secrets[CALLER].folder)
    assert await _refusal(echo, caller.channel_credentials(), "auth") == "UNAVAILABLE"
    secure.secrets[SERVICE] = secure.secrets["auth"]
    await echo.die()
    wrong = await secure.echo()
    await secure.envoy()
    await asyncio.sleep(2)
    assert (await secure.ask_gateway()).status_code == 503
    assert wrong.calls == 0


@both
async def test_new_certificates_are_taken_over_without_a_failed_call(
    secure: ControlPlaneHarness, variant: VariantName
) -> None:
    echo = await secure.echo()
    await secure.envoy(variant)
    await wait_until(secure.gateway_answers, "the gateway to answer")
    channel = secure.proxyless()
    await _title(channel)
    before = await asyncio.to_thread(_shown_certificate, echo, secure.secrets[CALLER])
    async with secure.gateway_load() as load, secure.proxyless_load(channel) as calls:
        for secret in secure.secrets.values():
            secret.renew()

        async def is_shown() -> bool:
            shown = await asyncio.to_thread(_shown_certificate, echo, secure.secrets[CALLER])
            return shown != before

        await wait_until(is_shown, "the new certificate")
        await asyncio.sleep(1)
    assert (load.failures, calls.failures) == ([], [])
    assert load.answered > 0 < calls.answered


async def test_files_that_do_not_fit_together_change_nothing(secure: ControlPlaneHarness) -> None:
    echo, secret = await secure.echo(), secure.secrets[SERVICE]
    before = await asyncio.to_thread(_shown_certificate, echo, secure.secrets[CALLER])
    key = secret.folder / "tls.key"
    key.unlink()
    key.write_bytes((secure.secrets["auth"].folder / "tls.key").read_bytes())
    assert await asyncio.to_thread(_shown_certificate, echo, secure.secrets[CALLER]) == before
