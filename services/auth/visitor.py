"""Reads the visitor of a call: its address, program and device."""

import hashlib
from typing import Final

from chassis.call_context import client_fingerprint, client_networks, current_call
from chassis.text import to_single_line, truncate_text
from services.auth.domain.visitor import MAX_PROGRAM_CHARS, Visitor

COOKIE_PREFIX: Final = "ic_device_"
MAX_DEVICE_TOKENS: Final = 8
_MAX_TOKEN_LENGTH: Final = 100


def current_visitor(device_token: str = "") -> Visitor:
    """Return the visitor of the call that is being answered; a browser's device tokens come as cookies."""
    call = current_call()
    tokens = [device_token] if device_token else []
    for cookie in call.metadata_text("cookie").split(";"):
        name, _, value = cookie.strip().partition("=")
        if name.startswith(COOKIE_PREFIX) and len(value) <= _MAX_TOKEN_LENGTH:
            tokens.append(value)
    program = truncate_text(to_single_line(call.metadata_text("user-agent")), MAX_PROGRAM_CHARS)
    return Visitor(client_networks(), client_fingerprint(), tuple(tokens[:MAX_DEVICE_TOKENS]), program)


def device_cookie(user_id: str, token: str, max_age_s: int, *, secure: bool) -> str:
    """Return the cookie that stores an account's device token in a browser; scripts cannot read it."""
    name = COOKIE_PREFIX + hashlib.sha256(user_id.encode()).hexdigest()[:10]
    parts = (f"{name}={token}", "Path=/", f"Max-Age={max_age_s}", "HttpOnly", "SameSite=Lax")
    return "; ".join((*parts, "Secure") if secure else parts)
