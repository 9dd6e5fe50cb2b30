"""TLS to MongoDB, Redis and RabbitMQ: the authority to trust, and the certificate of this process."""

import ssl
from pathlib import Path
from typing import Any, Self

from chassis.observability.logging import get_logger
from chassis.tls_files import AUTHORITY_FILE, CERTIFICATE_FILE, KEY_FILE, stamp_files

_log = get_logger()


class StoreTls:
    """TLS of connections to stores, from a folder with ca.crt and optionally tls.crt and tls.key.

    Without a folder the authorities of the system are trusted.
    """

    def __init__(self, folder: Path | None = None) -> None:
        """Raise ValueError if the files cannot be used."""
        self._folder = folder
        if folder is not None:
            self.new_context()

    def new_context(self) -> ssl.SSLContext:
        """Return a context of a client; it reads files that have changed before each handshake.

        An authority that was trusted before stays so until the process ends. Raises ValueError if the files
        cannot be used.
        """
        return _StoreContext(ssl.PROTOCOL_TLS_CLIENT).follow(self._folder)

    def broker_options(self) -> dict[str, Any]:
        """Return Kombu's parameter `ssl` for a connection to one host, which checks that host's name."""
        options: dict[str, Any] = {"cert_reqs": ssl.CERT_REQUIRED, "server_hostname": None}
        if self._folder is None:
            return options
        options["ca_certs"] = str(self._folder / AUTHORITY_FILE)
        if _has_certificate(self._folder):
            options["certfile"] = str(self._folder / CERTIFICATE_FILE)
            options["keyfile"] = str(self._folder / KEY_FILE)
        return options


class _StoreContext(ssl.SSLContext):
    """A context whose certificates are those that the folder has when a connection is made."""

    _folder: Path | None = None
    _loaded: tuple[tuple[int, int], ...] = ()

    def follow(self, folder: Path | None) -> Self:
        """Use the files of this folder from now on. Raises ValueError if they cannot be used."""
        self._folder = folder
        if folder is None:
            self.load_default_certs()
        else:
            self._load(folder)
        return self

    def wrap_bio(self, *args: Any, **kwargs: Any) -> ssl.SSLObject:
        """Begin a connection of asyncio."""
        self._reload()
        return super().wrap_bio(*args, **kwargs)

    def wrap_socket(self, *args: Any, **kwargs: Any) -> ssl.SSLSocket:
        """Begin a connection of a socket."""
        self._reload()
        return super().wrap_socket(*args, **kwargs)

    def _reload(self) -> None:
        if self._folder is None or stamp_files(self._folder) == self._loaded:
            return
        try:
            self._load(self._folder)
            _log.info("TLS files of the stores reloaded", folder=str(self._folder))
        except ValueError as error:
            _log.warning("TLS files of the stores are not usable, the former stay", error=str(error))

    def _load(self, folder: Path) -> None:
        stamp = stamp_files(folder)
        try:
            if _has_certificate(folder):
                self.load_cert_chain(folder / CERTIFICATE_FILE, folder / KEY_FILE)
            self.load_verify_locations(folder / AUTHORITY_FILE)
        except OSError as error:
            raise ValueError(f"the TLS files of the stores in {folder} cannot be used: {error}") from error
        self._loaded = stamp


def _has_certificate(folder: Path) -> bool:
    return (folder / CERTIFICATE_FILE).exists()
