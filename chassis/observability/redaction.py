"""Redaction of secrets in logs: by the name of their field, and by their form in any text.

A name is a secret's by its words, however they are written together (`userPwd`, `x-password`). The shapes are
those of tokens that we give out, of credentials in URLs, of e-mail addresses, and of a name with its value:
`name=value`, `"name": "value"`, `("name", "value")`, `key="name", value="value"`.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import date, time, timedelta
from functools import lru_cache
from typing import Any, Final

REDACTED: Final = "[redacted]"
MAX_TEXT_CHARS: Final = 32_768
_SECRET_WORDS: Final = (
    *("password", "passwd", "passphrase", "passcode", "secret", "token", "ticket", "credential"),
    *("authorization", "authorisation", "cookie"),
    *("apikey", "privatekey", "datakey", "signingkey", "accesskey", "codehash", "verificationcode"),
)
"""Secrets wherever they stand in a name."""
_SECRET_LAST_WORDS: Final = frozenset(
    {"pwd", "pass", "pw", "otp", "totp", "pin", "jwt", "sig", "signature", "apikey", "passkey"}
)
"""Secrets as the last word of a name: too short, or too common, to be looked for within one."""
_PERSONAL_LAST_WORDS: Final = frozenset({"email", "phone", "mobile"})
"""Personal data as the last word of a field's name; in a text their values have shapes of their own."""
_PLAIN_TYPES: Final = (int, float, date, time, timedelta, type(None))
_NAME_WORDS: Final = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")
_CODE_VALUE: Final = re.compile(r"\d{6,8}")
_BETWEEN: Final = r"\s{0,4}"
_QUOTE: Final = r"\\{0,4}[\"']"
_NAMED: Final = re.compile(
    # A pair in brackets of either kind.
    rf"[(\[]{_BETWEEN}b?{_QUOTE}(?P<first>[\w-]{{1,80}}){_QUOTE}{_BETWEEN},{_BETWEEN}"
    # A key, or name, beside its value.
    rf"|(?:key|name)(?:{_QUOTE})?{_BETWEEN}[=:]{_BETWEEN}{_QUOTE}(?P<key>[\w-]{{1,80}}){_QUOTE}"
    rf"{_BETWEEN},{_BETWEEN}(?:{_QUOTE})?value(?:{_QUOTE})?{_BETWEEN}[=:]{_BETWEEN}"
    # A name before its value.
    rf"|(?<![\w-])(?P<name>[A-Za-z_][\w-]*+)(?:{_QUOTE})?{_BETWEEN}[=:]{_BETWEEN}"
)
_VALUE: Final = re.compile(
    r"b?\"(?:[^\"\\]|\\.)*+\"|b?'(?:[^'\\]|\\.)*+'"
    # Quoted within a quoted text.
    r"|\\{1,4}\"[^\"]*+\"|\\{1,4}'[^']*+'"
    r"|[\[{(][^\]})]*+[\]})]"
    r"|[^\s,;&\"'\])}]+"
)
_PART_OF_ANY_SHAPE: Final = re.compile(r"[=:@%,\s]|eyJ|ses_|ick_")
"""Most values of log lines have nothing of the kind."""
_SHAPES: Final = (
    # An HTTP header's credentials.
    (re.compile(r"(?i)\b(bearer|basic)\s{1,4}[\w.~+/-]+=*"), rf"\1 {REDACTED}"),
    # A JWT, a refresh token and an API key.
    (re.compile(r"(?<![\w-])eyJ[\w-]+\.[\w-]+(?:\.[\w-]*)?"), REDACTED),
    (re.compile(r"(?<!\w)ses_\w{26}\.[\w-]+"), REDACTED),
    (re.compile(r"(?<![A-Za-z0-9])ick_\w{26}_[\w-]+"), REDACTED),
    # The user of a URL, and who somebody is in its query.
    (re.compile(r"://[^\s/?#\"']+@"), f"://{REDACTED}@"),
    (re.compile(r"(?i)([?&](?:email|phone|code|otp)=)[^\s&\"']+"), rf"\1{REDACTED}"),
    # An e-mail address, a telephone number and a code that was sent.
    (re.compile(r"[\w.+%-]{1,64}(?:@|%40)[\w-]{1,63}(?:\.[\w-]{1,63}){0,8}\.[^\W\d_][\w-]{1,62}"), REDACTED),
    (
        re.compile(r"(?i)\b((?:phone|mobile)[\"']?\s{0,4}[=:]\s{0,4}[\"']?)\+?\d[\d ()/.-]{4,}"),
        rf"\1{REDACTED}",
    ),
    (re.compile(r"(?i)\b(code[\"']?\s{0,4}[=:]\s{0,4}[\"']?)\d{6,8}(?!\d)"), rf"\1{REDACTED}"),
)


def redact_fields(fields: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    """Return the fields with secrets redacted, however deep; values other than plain ones become text."""
    return {key: _without_secret(key, value) for key, value in fields}


def redact_text(text: str) -> str:
    """Return the text with all substrings of a secret's form redacted; a very long text is cut."""
    if len(text) > MAX_TEXT_CHARS:
        text = f"{text[:MAX_TEXT_CHARS]}…"
    if _PART_OF_ANY_SHAPE.search(text) is None:
        return text
    for shape, replacement in _SHAPES:
        text = shape.sub(replacement, text)
    return "".join(_without_named_values(text))


def _without_named_values(text: str) -> Iterator[str]:
    start = 0
    for found in _NAMED.finditer(text):
        # A name within a value that is replaced already.
        if found.start() < start or not _is_secret(found[found.lastgroup or 0]):
            continue
        if value := _VALUE.match(text, found.end()):
            yield text[start : found.end()]
            yield REDACTED
            start = value.end()
    yield text[start:]


def _without_secret(name: str, value: Any) -> Any:
    if value is None or isinstance(value, bool):
        return value
    if _is_secret(name) or _is_personal(name) or _is_sent_code(name, value):
        return REDACTED
    return _without_secrets(value)


def _without_secrets(value: Any) -> Any:
    if isinstance(value, str):
        return redact_text(value)
    if isinstance(value, _PLAIN_TYPES):
        return value
    if isinstance(value, Mapping):
        return _without_secrets_of_mapping(value)
    if isinstance(value, list | tuple):
        return _without_secrets_of_list(value)
    return redact_text(str(value))


def _without_secrets_of_mapping(value: Mapping[Any, Any]) -> dict[str, Any]:
    named = {str(key): inner for key, inner in value.items()}
    about = named.get("key", named.get("name"))
    if isinstance(about, str) and "value" in named:
        named["value"] = _without_secret(about, named["value"])
    return redact_fields(named.items())


def _without_secrets_of_list(value: list[Any] | tuple[Any, ...]) -> list[Any]:
    if len(value) == 2 and isinstance(value[0], str | bytes):
        name = value[0] if isinstance(value[0], str) else value[0].decode("latin-1")
        return [_without_secrets(name), _without_secret(name, value[1])]
    return [_without_secrets(inner) for inner in value]


@lru_cache(maxsize=4096)
def _is_secret(name: str) -> bool:
    words = _words_of(name)
    joined = "".join(words)
    return bool(words) and (words[-1] in _SECRET_LAST_WORDS or any(word in joined for word in _SECRET_WORDS))


@lru_cache(maxsize=4096)
def _is_personal(name: str) -> bool:
    return not _PERSONAL_LAST_WORDS.isdisjoint(_words_of(name)[-1:])


def _is_sent_code(name: str, value: Any) -> bool:
    return _words_of(name)[-1:] == ["code"] and _CODE_VALUE.fullmatch(str(value)) is not None


def _words_of(name: str) -> list[str]:
    return [word.lower() for word in _NAME_WORDS.findall(name)]
