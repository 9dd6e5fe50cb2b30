"""New passwords and keys."""

import base64
import secrets
from typing import Final

KEY_BYTES: Final = 32
PASSWORD_BYTES: Final = 20


def new_password() -> str:
    """Return a password of hexadecimal digits, which needs no escaping anywhere."""
    return secrets.token_hex(PASSWORD_BYTES)


def new_key() -> str:
    """Return the base64 of a new symmetric key."""
    return base64.b64encode(secrets.token_bytes(KEY_BYTES)).decode()
