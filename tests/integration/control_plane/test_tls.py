"""The gateway's certificate is replaced as Kubernetes replaces a mounted Secret, while Envoy runs."""

import asyncio

import pytest

from tests.integration.control_plane.harness import ControlPlaneHarness, VariantName, wait_until
from tests.mounted_secret import MountedSecret

HOST = "localhost"


async def _served_certificate(harness: ControlPlaneHarness, secret: MountedSecret) -> bytes:
    """Return the certificate that the gateway shows; empty while it does not answer."""
    try:
        _, writer = await asyncio.open_connection(
            HOST, harness.listen, ssl=secret.client_context(), server_hostname=HOST
        )
    except OSError:
        return b""
    found: bytes = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
    writer.close()
    return found


@pytest.mark.parametrize("variant", ["state of the world", "delta"])
async def test_a_new_certificate_is_served_without_a_restart(
    harness: ControlPlaneHarness, variant: VariantName
) -> None:
    secret = MountedSecret(harness.folder / "tls", (HOST,))
    files = {"certificate": str(secret.folder / "tls.crt"), "key": str(secret.folder / "tls.key")}
    harness.write_mesh(gateway={"tls": files})
    await harness.echo()
    await harness.envoy(variant)

    async def has_certificate() -> bytes:
        return await _served_certificate(harness, secret)

    first = await wait_until(has_certificate, "the gateway to show a certificate")
    secret.renew()

    async def has_another() -> bool:
        return await _served_certificate(harness, secret) not in (b"", first)

    await wait_until(has_another, "the gateway to show the new certificate")
