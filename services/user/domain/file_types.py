"""The types of files that students keep, found by the content and never by a name."""

import io
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from typing import Final

MAX_ARCHIVE_ENTRIES: Final = 2_000
"""Files within a DOCX or ODT; a text with many pictures has hundreds."""
MAX_MIME_TYPE_BYTES: Final = 200

_PDF_MARK: Final = b"%PDF-"
_MAX_PDF_OFFSET: Final = 1024
"""Readers accept a PDF with something before its mark, as mail gateways write it."""
_PNG_MARK: Final = b"\x89PNG\r\n\x1a\n"
_JPEG_MARK: Final = b"\xff\xd8\xff"
_ZIP_MARK: Final = b"PK\x03\x04"
_ARCHIVE_END_MARK: Final = b"PK\x05\x06"
_ARCHIVE_END_BYTES: Final = 22
_MAX_ARCHIVE_COMMENT_BYTES: Final = 65_535
_USUAL_ENTRY_BYTES: Final = 80
"""The size of one entry in an archive's list, with a name of some length."""
_TEXT_CONTROLS: Final = frozenset("\t\n\r\f")
_DOCX_PARTS: Final = frozenset({"[Content_Types].xml", "word/document.xml"})
_ODT_PARTS: Final = frozenset({"mimetype", "content.xml"})
_BOM: Final = "\ufeff"


_ARCHIVE_ERRORS: Final = (
    *(zipfile.BadZipFile, zlib.error, EOFError),
    # What `zipfile` raises for methods that it does not know, wrong offsets, names and passwords.
    *(NotImplementedError, OSError, ValueError, KeyError, RuntimeError, OverflowError),
)


class MediaType(StrEnum):
    """The accepted types."""

    PDF = "application/pdf"
    DOCX = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
    ODT = "application/vnd.oasis.opendocument.text"
    TEXT = "text/plain"
    PNG = "image/png"
    JPEG = "image/jpeg"


class MalformedArchiveError(Exception):
    """A ZIP archive is damaged, or has far more entries than a text."""


def find_media_type(content: bytes) -> MediaType | None:
    """Return the type of a content; None when it is none of those that are accepted."""
    if content.startswith(_PNG_MARK):
        return MediaType.PNG
    if content.startswith(_JPEG_MARK):
        return MediaType.JPEG
    if content.startswith(_ZIP_MARK):
        return _find_archive_type(content)
    if _PDF_MARK in content[:_MAX_PDF_OFFSET]:
        return MediaType.PDF
    return MediaType.TEXT if _is_text(content) else None


@contextmanager
def open_archive(content: bytes) -> Iterator[zipfile.ZipFile]:
    """Open a ZIP archive. Raises MalformedArchiveError, also for one with too many entries.

    The number of entries is read before the entries are: a list of 200,000 takes a second.
    """
    if not 0 < _count_entries(content) <= MAX_ARCHIVE_ENTRIES:
        raise MalformedArchiveError("no list of entries, or a very long one")
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            if len(archive.infolist()) > MAX_ARCHIVE_ENTRIES:
                raise MalformedArchiveError("more entries than the archive says")
            yield archive
    except _ARCHIVE_ERRORS as error:
        raise MalformedArchiveError(str(error)) from None


def _count_entries(content: bytes) -> int:
    """Return the number of entries that the archive's end names; 0 without an end."""
    start = max(0, len(content) - _ARCHIVE_END_BYTES - _MAX_ARCHIVE_COMMENT_BYTES)
    end = content.rfind(_ARCHIVE_END_MARK, start)
    if end < 0:
        return 0
    named = int.from_bytes(content[end + 10 : end + 12], "little")
    list_bytes = int.from_bytes(content[end + 12 : end + 16], "little")
    # The list itself is read to its end, whatever number of entries is named.
    return max(named, list_bytes // _USUAL_ENTRY_BYTES)


def _find_archive_type(content: bytes) -> MediaType | None:
    try:
        with open_archive(content) as archive:
            names = set(archive.namelist())
            if names >= _DOCX_PARTS:
                return MediaType.DOCX
            if names >= _ODT_PARTS and _read_mime_type(archive) == MediaType.ODT:
                return MediaType.ODT
    except MalformedArchiveError:
        return None
    return None


def _read_mime_type(archive: zipfile.ZipFile) -> str:
    with archive.open("mimetype") as entry:
        return entry.read(MAX_MIME_TYPE_BYTES).decode("ascii", "replace").strip()


def _is_text(content: bytes) -> bool:
    if not content:
        return False
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError:
        return False
    controls = {character for character in set(text) if character < " " or "\x7f" <= character < "\xa0"}
    return controls <= _TEXT_CONTROLS and bool(text.strip(_BOM).strip())
