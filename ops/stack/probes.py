"""Asking a process over the network whether it is ready."""

import http.client
import socket
import ssl

from ops.stack.process import Readiness
from ops.stack.topology import LOOPBACK

PROBE_TIMEOUT_S = 2.0


def http_ready(port: int, path: str) -> Readiness:
    """Ready when the path answers 200; else what it answered."""
    return _asked(http.client.HTTPConnection(LOOPBACK, port, timeout=PROBE_TIMEOUT_S), path)


def https_ready(port: int, path: str, trusting: ssl.SSLContext) -> Readiness:
    """As `http_ready`, over TLS; a certificate that is not trusted is not ready either."""
    connection = http.client.HTTPSConnection(LOOPBACK, port, timeout=PROBE_TIMEOUT_S, context=trusting)
    return _asked(connection, path)


def _asked(connection: http.client.HTTPConnection, path: str) -> Readiness:
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        body = answer.read().decode(errors="replace").strip()
    except (OSError, http.client.HTTPException) as error:
        return Readiness(False, getattr(error, "strerror", None) or type(error).__name__)
    finally:
        connection.close()
    if answer.status == http.HTTPStatus.OK:
        return Readiness(True)
    return Readiness(False, f"HTTP {answer.status} {body[:120]}")


def port_open(port: int) -> Readiness:
    """Ready when something accepts connections on the port."""
    try:
        socket.create_connection((LOOPBACK, port), timeout=PROBE_TIMEOUT_S).close()
    except OSError as error:
        return Readiness(False, error.strerror or type(error).__name__)
    return Readiness(True)
