"""Asking a process over the network whether it is ready."""

import socket

import httpx

from ops.stack.process import Readiness
from ops.stack.topology import LOOPBACK

PROBE_TIMEOUT_S = 2.0


def http_ready(url: str) -> Readiness:
    """Ready when the URL answers 200; else what it answered."""
    try:
        answer = httpx.get(url, timeout=PROBE_TIMEOUT_S, trust_env=False)
    except httpx.HTTPError as error:
        return Readiness(False, type(error).__name__)
    if answer.status_code == httpx.codes.OK:
        return Readiness(True)
    return Readiness(False, f"HTTP {answer.status_code} {answer.text.strip()[:120]}")


def port_open(port: int) -> Readiness:
    """Ready when something accepts connections on the port."""
    try:
        socket.create_connection((LOOPBACK, port), timeout=PROBE_TIMEOUT_S).close()
    except OSError as error:
        return Readiness(False, error.strerror or type(error).__name__)
    return Readiness(True)
