"""A mounted Secret with a certificate, as cert-manager fills it and the kubelet replaces it."""

import ssl
from collections.abc import Sequence
from pathlib import Path

import trustme

from chassis.security.mutual_tls import AUTHORITY_FILE, CERTIFICATE_FILE, KEY_FILE


class MountedSecret:
    """A folder as the kubelet makes it: its files are links through `..data`, which a rename replaces."""

    def __init__(self, folder: Path, names: Sequence[str], authority: trustme.CA | None = None) -> None:
        self.folder = folder
        self._names = names
        self._authority = authority or trustme.CA()
        self._versions = 0
        folder.mkdir(parents=True)
        self.renew()
        for name in (CERTIFICATE_FILE, KEY_FILE, AUTHORITY_FILE):
            (folder / name).symlink_to(f"..data/{name}")

    def renew(self) -> None:
        """Mount a new certificate."""
        self._versions += 1
        version = self.folder / f"..{self._versions}"
        version.mkdir()
        issued = self._authority.issue_cert(*self._names)
        (version / CERTIFICATE_FILE).write_bytes(b"".join(pem.bytes() for pem in issued.cert_chain_pems))
        (version / KEY_FILE).write_bytes(issued.private_key_pem.bytes())
        (version / AUTHORITY_FILE).write_bytes(self._authority.cert_pem.bytes())
        link = self.folder / "..data_tmp"
        link.symlink_to(version.name)
        link.replace(self.folder / "..data")

    def client_context(self) -> ssl.SSLContext:
        """Return the context of a client that trusts the authority."""
        context = ssl.create_default_context()
        self._authority.configure_trust(context)
        return context
