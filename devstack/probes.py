"""Readiness probes over the network."""

import http.client
import json
import socket
import ssl

from devstack.process import ProbeResult
from devstack.topology_parts import LOOPBACK

PROBE_TIMEOUT_S = 2.0


def probe_http(port: int, path: str) -> ProbeResult:
    """Return ready when the path answers 200, else the answer."""
    return _probe_path(http.client.HTTPConnection(LOOPBACK, port, timeout=PROBE_TIMEOUT_S), path)


def probe_https(port: int, path: str, trusting: ssl.SSLContext) -> ProbeResult:
    """Probe as `probe_http` does, over TLS; an untrusted certificate is not ready."""
    connection = http.client.HTTPSConnection(LOOPBACK, port, timeout=PROBE_TIMEOUT_S, context=trusting)
    return _probe_path(connection, path)


def _probe_path(connection: http.client.HTTPConnection, path: str) -> ProbeResult:
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        body = answer.read().decode(errors="replace").strip()
    except (OSError, http.client.HTTPException) as error:
        return ProbeResult(False, getattr(error, "strerror", None) or type(error).__name__)
    finally:
        connection.close()
    if answer.status == http.HTTPStatus.OK:
        return ProbeResult(True, _degradation_in(body))
    return ProbeResult(False, f"HTTP {answer.status} {body[:120]}")


def _degradation_in(body: str) -> str:
    """Return what a ready process does without, if its answer says so."""
    try:
        answer = json.loads(body)
    except ValueError:
        return ""
    degraded = answer.get("degraded") if isinstance(answer, dict) else None
    return f"without {', '.join(map(str, degraded))}" if isinstance(degraded, list) and degraded else ""


def probe_port(port: int) -> ProbeResult:
    """Return ready when the port accepts connections."""
    try:
        socket.create_connection((LOOPBACK, port), timeout=PROBE_TIMEOUT_S).close()
    except OSError as error:
        return ProbeResult(False, error.strerror or type(error).__name__)
    return ProbeResult(True)
