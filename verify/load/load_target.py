"""The address that load goes to: this machine only, as nobody is to hit others by a slip."""

from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from ops.errors import OpsError

LOCAL_HOSTS: Final = ("127.0.0.1", "localhost")
DEFAULT_PORTS: Final = {"http": 80, "https": 443}


@dataclass(frozen=True)
class LoadTarget:
    """A gateway's address."""

    scheme: str
    host: str
    port: int

    @property
    def url(self) -> str:
        """The URL, with no slash at the end."""
        return f"{self.scheme}://{self.host}:{self.port}"

    @property
    def address(self) -> str:
        """`host:port`, for gRPC."""
        return f"{self.host}:{self.port}"


def parse_target(url: str) -> LoadTarget:
    """Return the target of a URL. Raises OpsError when it is not one of a gateway."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise OpsError(f"--target: {error}: {url}") from None
    if parts.scheme not in DEFAULT_PORTS or not parts.hostname:
        raise OpsError(f"--target takes a URL such as http://127.0.0.1:8080, not '{url}'")
    if parts.path not in ("", "/") or parts.query or parts.fragment or parts.username:
        raise OpsError(f"--target takes scheme, host and port only, not '{url}'")
    return LoadTarget(parts.scheme, parts.hostname, port or DEFAULT_PORTS[parts.scheme])


def parse_local_target(url: str) -> LoadTarget:
    """Return a target on this machine. Raises OpsError for another host, and for TLS."""
    target = parse_target(url)
    if target.host not in LOCAL_HOSTS:
        raise OpsError(
            f"--target: '{target.host}' is not this machine, and load from here goes nowhere else. "
            "A cluster gets its load from pods: ic load --profile seed --render --target URL"
        )
    if target.scheme != "http":
        raise OpsError(f"--target: load tests of this machine speak http, not {target.scheme}")
    return target
