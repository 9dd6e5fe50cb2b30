"""The gateway's certificate is replaced as Kubernetes replaces a mounted Secret, while Envoy runs."""

import asyncio
import ssl
from pathlib import Path

import pytest
import trustme

from tests.integration.control_plane.harness import ControlPlaneHarness, VariantName, wait_until

HOST = "localhost"


class MountedSecret:
    """A folder as the kubelet makes it: its files are links through `..data`, which a rename replaces."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._authority = trustme.CA()
        self._versions = 0
        folder.mkdir()
        self.renew()
        for name in ("tls.crt", "tls.key"):
            (folder / name).symlink_to(f"..data/{name}")

    def renew(self) -> None:
        """Mount a new certificate."""
        self._versions += 1
        version = self.folder / f"..{self._versions}"
        version.mkdir()
        issued = self._authority.issue_cert(HOST)
        (version / "tls.crt").write_bytes(b"".join(pem.bytes() for pem in issued.cert_chain_pems))
        (version / "tls.key").write_bytes(issued.private_key_pem.bytes())
        link = self.folder / "..data_tmp"
        link.symlink_to(version.name)
        link.replace(self.folder / "..data")

    def client_context(self) -> ssl.SSLContext:
        """Return the context of a client that trusts the authority."""
        context = ssl.create_default_context()
        self._authority.configure_trust(context)
        return context


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
    secret = MountedSecret(harness.folder / "tls")
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
