"""The certificate of a stack's gateways, and how clients on this machine come to trust it.

Authority and certificate are made together, and the authority's key is kept nowhere: nobody can have anything
else signed by it.
"""

import ssl
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import trustme
from cryptography import x509

from ops.stack.credentials import write_private
from ops.stack.topology import LOOPBACK, Topology

NAMES: Final = ("localhost", LOOPBACK, "::1")
VALID_FOR: Final = timedelta(days=365)
RENEWED_BEFORE: Final = timedelta(days=30)


@dataclass(frozen=True)
class Certificate:
    """PEM files of one certificate and its key, named by the day on which it expires.

    Envoy reads files again only when it is told of others.
    """

    chain: Path
    key: Path

    @property
    def expires(self) -> datetime:
        """When it is no longer valid."""
        return x509.load_pem_x509_certificate(self.chain.read_bytes()).not_valid_after_utc


def authority(topology: Topology) -> Path:
    """The PEM file of the authority: whoever trusts it trusts the stack's gateways."""
    return topology.etc / "tls" / "ca.pem"


def certificate(topology: Topology) -> Certificate | None:
    """The one that is in use; None before there is one."""
    found = sorted(authority(topology).parent.glob("gateway-*.key"))
    return Certificate(found[-1].with_suffix(".pem"), found[-1]) if found else None


def ensure_certificate(topology: Topology, now: datetime | None = None) -> Certificate:
    """The one in use, or a new one with a new authority when there is none that is good for another month."""
    now = now or datetime.now(UTC)
    found = certificate(topology)
    if found is not None and now < found.expires - RENEWED_BEFORE:
        return found
    return _made(topology, now + VALID_FOR)


def trust(topology: Topology) -> ssl.SSLContext | bool:
    """What httpx takes as `verify` to reach the stack's gateways: the authorities that it trusts."""
    return trusting(topology) if topology.tls else True


def trusting(topology: Topology) -> ssl.SSLContext:
    """The side of a client that trusts the stack's authority, and no other."""
    return ssl.create_default_context(cafile=authority(topology))


def _made(topology: Topology, expires: datetime) -> Certificate:
    signer = trustme.CA(organization_name="InternshipConnect", organization_unit_name=topology.name)
    issued = signer.issue_cert(*NAMES, not_after=expires)
    stem = authority(topology).parent / f"gateway-{expires:%Y-%m-%d}"
    made = Certificate(stem.with_suffix(".pem"), stem.with_suffix(".key"))
    write_private(made.key, issued.private_key_pem.bytes().decode())
    issued_chain = b"".join(pem.bytes() for pem in issued.cert_chain_pems)
    made.chain.write_bytes(issued_chain)
    authority(topology).write_bytes(signer.cert_pem.bytes())
    return made
