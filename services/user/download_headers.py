"""The headers of a downloaded file: browsers save it and never show or run it."""

import unicodedata
from typing import Final
from urllib.parse import quote

MAX_NAME_CHARS: Final = 100
DEFAULT_NAME: Final = "document"
_EXTENSIONS: Final = {
    "application/pdf": ".pdf",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document": ".docx",
    "application/vnd.oasis.opendocument.text": ".odt",
    "text/plain": ".txt",
    "image/png": ".png",
    "image/jpeg": ".jpg",
    "application/zip": ".zip",
}
_SAME_EXTENSIONS: Final = {".jpeg": ".jpg"}
_UNSAFE_IN_NAMES: Final = frozenset("\\/:*?\"<>|%;'`")
"""What has a meaning to a shell, to a file system or within the header."""
_DOWNLOAD_HEADERS: Final = (
    ("x-content-type-options", "nosniff"),
    ("content-security-policy", "default-src 'none'; sandbox; frame-ancestors 'none'"),
    ("cross-origin-resource-policy", "same-origin"),
    ("cache-control", "private, max-age=60, no-transform"),
)


def download_headers(name: str, media_type: str) -> tuple[tuple[str, str], ...]:
    """Return the headers of a download; the name's extension is that of the type, whatever it was."""
    disposition = _content_disposition(safe_file_name(name, media_type))
    return (("content-disposition", disposition), *_DOWNLOAD_HEADERS)


def safe_file_name(name: str, media_type: str) -> str:
    """Return a name under which any system can save the file."""
    kept = "".join(filter(_is_safe, unicodedata.normalize("NFC", name)))
    stem, extension = kept.strip(" ."), _EXTENSIONS.get(media_type, "")
    dot = stem.rfind(".")
    given = stem[dot:].lower() if dot >= 0 else ""
    if _SAME_EXTENSIONS.get(given, given) == extension:
        stem = stem[:dot]
    return f"{stem[:MAX_NAME_CHARS].strip(' .') or DEFAULT_NAME}{extension}"


def _is_safe(character: str) -> bool:
    is_shown = unicodedata.category(character)[0] not in "CZ"
    return character == " " or (is_shown and character not in _UNSAFE_IN_NAMES)


def _content_disposition(name: str) -> str:
    """Return the header (RFC 6266): the name in ASCII for old clients, and whole for all others."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    stem, _, extension = plain.rpartition(".")
    plain = plain if stem.strip() else f"{DEFAULT_NAME}.{extension}"
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='')}"
