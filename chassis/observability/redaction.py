"""Redaction of secrets in logs: by the name of their field, and by their form in any text.

The names are those of our contracts and of libraries; the forms are those of our tokens, of credentials in
URLs, and of `name=value` or `"name": "value"` with a secret's name.
"""

import re
from collections.abc import Iterable, Mapping
from datetime import date, time, timedelta
from typing import Any, Final

REDACTED: Final = "[redacted]"
MAX_TEXT_CHARS: Final = 32_768
_SECRET_WORDS: Final = (
    "password",
    "passwd",
    "passphrase",
    "secret",
    "token",
    "authorization",
    "cookie",
    "credential",
    "api_key",
    "apikey",
    "private_key",
)
_SECRET_KEYS: Final = frozenset({"signature", "code_hash", "verification_code", "otp", "email", "phone"})
_PLAIN_TYPES: Final = (int, float, date, time, timedelta, type(None))
_WORD: Final = "|".join(word.replace("_", "[_-]?") for word in (*_SECRET_WORDS, "verification_code"))
_QUOTED: Final = r'"(?:[^"\\]|\\.)*"|' + r"'(?:[^'\\]|\\.)*'"
_NAME: Final = rf"(?:{_WORD})[\w-]{{0,40}}[\"']?"
_VALUE: Final = rf"{_QUOTED}|[^\s,;&\"'\])}}]+"
_NAMED: Final = re.compile(rf"(?i)({_NAME}\s{{0,4}}[=:]\s{{0,4}})({_VALUE})")
_SHAPES: Final = (
    # An HTTP header's credentials.
    (re.compile(r"(?i)\b(bearer|basic)\s{1,4}[\w.~+/-]+=*"), rf"\1 {REDACTED}"),
    # A JWT, and a refresh token.
    (re.compile(r"(?<![\w-])eyJ[\w-]+\.[\w-]+(?:\.[\w-]*)?"), REDACTED),
    (re.compile(r"(?<!\w)ses_\w{26}\.[\w-]+"), REDACTED),
    # The user of a URL, and credentials in its query.
    (re.compile(r"://[^\s/@\"']+@"), f"://{REDACTED}@"),
    (re.compile(r"(?i)([?&](?:email|phone|code|otp)=)[^\s&\"']+"), rf"\1{REDACTED}"),
    (_NAMED, rf"\1{REDACTED}"),
)


def redact_fields(fields: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    """Return the fields with secrets redacted, however deep; values other than plain ones become text."""
    return {key: REDACTED if _is_secret(key) else _without_secrets(value) for key, value in fields}


def redact_text(text: str) -> str:
    """Return the text with all substrings of a secret's form redacted; a very long text is cut."""
    if len(text) > MAX_TEXT_CHARS:
        text = f"{text[:MAX_TEXT_CHARS]}…"
    for shape, replacement in _SHAPES:
        text = shape.sub(replacement, text)
    return text


def _without_secrets(value: Any) -> Any:
    if isinstance(value, str):
        return redact_text(value)
    if isinstance(value, _PLAIN_TYPES):
        return value
    if isinstance(value, Mapping):
        return redact_fields((str(key), inner) for key, inner in value.items())
    if isinstance(value, list | tuple):
        return [_without_secrets(inner) for inner in value]
    return redact_text(str(value))


def _is_secret(key: str) -> bool:
    name = key.lower().replace("-", "_")
    return name in _SECRET_KEYS or any(word in name for word in _SECRET_WORDS)
