"""Mutual TLS among processes: certificate, key and authority from a folder, read again when they change.

The files have the names that cert-manager gives them. A process checks that its peer's certificate is of the
same authority and for the peer's name, that of its service: `auth`, `control-plane`, `rate-limiter`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, cast

import grpc
from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from chassis.observability.logging import get_logger
from chassis.tls_files import AUTHORITY_FILE, CERTIFICATE_FILE, KEY_FILE, stamp_files

NAME_OVERRIDE_OPTION: Final = "grpc.ssl_target_name_override"

_log = get_logger()


@dataclass(frozen=True)
class IdentityFiles:
    """The content of the three files, in PEM: the certificate with its chain."""

    certificate: bytes
    key: bytes
    authority: bytes

    @classmethod
    def read(cls, folder: Path) -> "IdentityFiles":
        """Return the files of a folder. Raises ValueError if one is missing, or they do not fit together."""
        try:
            found = cls(
                *((folder / name).read_bytes() for name in (CERTIFICATE_FILE, KEY_FILE, AUTHORITY_FILE))
            )
            certificate = x509.load_pem_x509_certificate(found.certificate)
            key = load_pem_private_key(found.key, password=None)
            x509.load_pem_x509_certificates(found.authority)
        except (OSError, ValueError, TypeError) as error:
            raise ValueError(f"the TLS files in {folder} cannot be used: {error}") from error
        if certificate.public_key() != key.public_key():
            raise ValueError(f"in {folder}, {KEY_FILE} is not the key of {CERTIFICATE_FILE}")
        return found


class MutualTls:
    """The credentials of one process, from the files of a folder."""

    def __init__(self, folder: Path) -> None:
        """Raise ValueError if the files cannot be used."""
        self._folder = folder
        self._read_at = stamp_files(folder)
        self._files = IdentityFiles.read(folder)

    @classmethod
    def open(cls, folder: Path | None) -> "MutualTls | None":
        """Return the credentials of a folder; None without one. Raises ValueError if they cannot be used."""
        return cls(folder) if folder else None

    def server_credentials(self) -> grpc.ServerCredentials:
        """Return credentials of a server that takes only clients with a certificate of the authority.

        A new connection is shown the files as they are then; those that are open go on.
        """
        shown = self._current()

        def changed_configuration() -> grpc.ServerCertificateConfiguration | None:
            nonlocal shown
            current = self._current()
            if current is shown:
                return None
            shown = current
            return _server_configuration(current)

        # None means no change, which the types of grpcio do not say.
        fetch = cast(Callable[[], grpc.ServerCertificateConfiguration], changed_configuration)
        return grpc.dynamic_ssl_server_credentials(
            _server_configuration(shown), fetch, require_client_authentication=True
        )

    def channel_credentials(self) -> grpc.ChannelCredentials:
        """Return credentials of a client, from the files as they are now."""
        files = self._current()
        return grpc.ssl_channel_credentials(files.authority, files.key, files.certificate)

    def _current(self) -> IdentityFiles:
        """Return the present files, or the last good ones: a folder may be half replaced."""
        stamp = stamp_files(self._folder)
        if stamp != self._read_at:
            try:
                self._files = IdentityFiles.read(self._folder)
                self._read_at = stamp
                _log.info("TLS files reloaded", folder=str(self._folder))
            except ValueError as error:
                _log.warning("TLS files are not usable, the former stay", error=str(error))
        return self._files


def _server_configuration(files: IdentityFiles) -> grpc.ServerCertificateConfiguration:
    return grpc.ssl_server_certificate_configuration([(files.key, files.certificate)], files.authority)
