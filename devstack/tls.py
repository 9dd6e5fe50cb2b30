"""The certificate of a stack's gateways, and trust in it for clients on this machine.

Authority and certificate are made together, and the authority's key is not stored: nothing else can be signed
with it.
"""

import ssl
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from devstack.credentials import write_private_file
from devstack.topology import Topology
from devstack.topology_parts import LOOPBACK

CERTIFICATE_NAMES: Final = ("localhost", LOOPBACK, "::1")
CERTIFICATE_LIFETIME: Final = timedelta(days=365)
RENEWAL_MARGIN: Final = timedelta(days=30)


@dataclass(frozen=True)
class GatewayCertificate:
    """PEM files of one certificate and its key, named by the day on which it expires.

    Envoy reads files again only when its configuration names others.
    """

    chain: Path
    key: Path

    @property
    def expires(self) -> datetime:
        """The end of its validity."""
        from cryptography import x509  # noqa: PLC0415 - slow to import, for stacks with TLS only

        return x509.load_pem_x509_certificate(self.chain.read_bytes()).not_valid_after_utc


def authority_path(topology: Topology) -> Path:
    """Return the PEM file of the authority: clients that trust it trust the stack's gateways."""
    return topology.etc_folder / "tls" / "ca.pem"


def find_certificate(topology: Topology) -> GatewayCertificate | None:
    """Return the certificate in use; None before there is one."""
    found = sorted(authority_path(topology).parent.glob("gateway-*.key"))
    return GatewayCertificate(found[-1].with_suffix(".pem"), found[-1]) if found else None


def ensure_certificate(topology: Topology, now: datetime | None = None) -> GatewayCertificate:
    """Return the certificate in use; replace it and its authority in the month before it expires."""
    now = now or datetime.now(UTC)
    found = find_certificate(topology)
    if found is not None and now < found.expires - RENEWAL_MARGIN:
        return found
    return _issue_certificate(topology, now + CERTIFICATE_LIFETIME)


def httpx_verify(topology: Topology) -> ssl.SSLContext | bool:
    """Return the argument `verify` of httpx for the stack's gateways: the authorities that it trusts."""
    return client_ssl_context(topology) if topology.tls else True


def client_ssl_context(topology: Topology) -> ssl.SSLContext:
    """Return the context of a client that trusts only the stack's authority."""
    return ssl.create_default_context(cafile=authority_path(topology))


def _issue_certificate(topology: Topology, expires: datetime) -> GatewayCertificate:
    import trustme  # noqa: PLC0415 - slow to import, for stacks with TLS only

    signer = trustme.CA(organization_name="InternshipConnect", organization_unit_name=topology.name)
    issued = signer.issue_cert(*CERTIFICATE_NAMES, not_after=expires)
    stem = authority_path(topology).parent / f"gateway-{expires:%Y-%m-%d}"
    made = GatewayCertificate(stem.with_suffix(".pem"), stem.with_suffix(".key"))
    write_private_file(made.key, issued.private_key_pem.bytes().decode())
    issued_chain = b"".join(pem.bytes() for pem in issued.cert_chain_pems)
    made.chain.write_bytes(issued_chain)
    authority_path(topology).write_bytes(signer.cert_pem.bytes())
    return made
