"""A mounted Secret with a certificate, as cert-manager fills it and the kubelet replaces it."""

import ssl
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import trustme

from chassis.tls_files import AUTHORITY_FILE, CERTIFICATE_FILE, KEY_FILE

_FILES: Final = (CERTIFICATE_FILE, KEY_FILE, AUTHORITY_FILE)


class MountedSecret:
    """A folder as the kubelet makes it: its files are links through `..data`, which a rename replaces."""

    def __init__(self, folder: Path, names: Sequence[str], authority: trustme.CA | None = None) -> None:
        self.folder = folder
        self._names = names
        self._authority = authority or trustme.CA()
        self._versions = 0
        folder.mkdir(parents=True)
        self.renew()
        for name in _FILES:
            (folder / name).symlink_to(f"..data/{name}")

    def renew(self) -> None:
        """Mount a new certificate."""
        issued = self._authority.issue_cert(*self._names)
        self._mount(
            {
                CERTIFICATE_FILE: b"".join(pem.bytes() for pem in issued.cert_chain_pems),
                KEY_FILE: issued.private_key_pem.bytes(),
                AUTHORITY_FILE: self._authority.cert_pem.bytes(),
            }
        )

    def replace_by(self, other: "MountedSecret") -> None:
        """Mount what another one holds."""
        self._mount({name: (other.folder / name).read_bytes() for name in _FILES})

    def _mount(self, files: Mapping[str, bytes]) -> None:
        self._versions += 1
        version = self.folder / f"..{self._versions}"
        version.mkdir()
        for name, content in files.items():
            (version / name).write_bytes(content)
        link = self.folder / "..data_tmp"
        link.symlink_to(version.name)
        link.replace(self.folder / "..data")

    def client_context(self) -> ssl.SSLContext:
        """Return the context of a client that trusts the authority."""
        context = ssl.create_default_context()
        self._authority.configure_trust(context)
        return context
