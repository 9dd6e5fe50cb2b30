"""What keeps a file from being downloaded: macros, scripts, passwords, or a content that is not of its type.

These rules know no malware, besides the test file of all scanners: they refuse what a résumé never needs.
"""

import re
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from typing import Final

from services.user.domain.documents import QuarantineReason
from services.user.domain.file_types import MalformedArchiveError, MediaType, open_archive

MAX_INFLATED_BYTES: Final = 64 * 1024 * 1024
"""The bytes of a PDF's object streams."""
MAX_OBJECT_STREAMS: Final = 5_000
MAX_UNPACKED_BYTES: Final = 200 * 1024 * 1024
"""The bytes of all files within a DOCX or ODT, as the archive names them."""
MAX_INSPECTED_ENTRY_BYTES: Final = 1024 * 1024

_TEST_FILE: Final = b"X5O!P%@AP[4\\PZX54(P^)7CC)7}$" + b"EICAR-STANDARD-ANTIVIRUS-TEST-FILE!"
_FINE: Final = QuarantineReason.UNSPECIFIED
_MALFORMED: Final = QuarantineReason.MALFORMED
_ACTIVE: Final = QuarantineReason.ACTIVE_CONTENT
_ENCRYPTED: Final = QuarantineReason.ENCRYPTED

_LAST_BYTES: Final = 2_048
_ENCRYPTED_FLAG: Final = 0x1


def find_quarantine_reason(content: bytes, media_type: str) -> QuarantineReason:
    """Return why a content of this type is kept from others; UNSPECIFIED when nothing speaks against it."""
    if _TEST_FILE in content:
        return QuarantineReason.MALWARE
    rule = _RULES.get(media_type)
    return _MALFORMED if rule is None else rule(content)


def _pdf_name(name: str) -> bytes:
    """Return the pattern of a PDF's name, whose characters may each be written in hexadecimal digits."""
    return b"/" + b"".join(
        b"(?:%b|#%02x|#%02X)" % (re.escape(letter.encode()), ord(letter), ord(letter)) for letter in name
    )


_PDF_ENCRYPTED: Final = re.compile(_pdf_name("Encrypt") + rb"[\s<(\[/0-9]")
_PDF_ACTIVE: Final = re.compile(b"|".join(map(_pdf_name, ("JavaScript", "Launch", "RichMedia", "XFA"))))
_PDF_OBJECT_STREAM: Final = re.compile(_pdf_name("ObjStm"))
_PDF_STREAM_BEGIN: Final = re.compile(rb"stream\r?\n")
_PDF_FILTER: Final = re.compile(_pdf_name("Filter"))


def _check_pdf(content: bytes) -> QuarantineReason:
    end = content[-_LAST_BYTES:]
    if b"%%EOF" not in end or b"startxref" not in end:
        return _MALFORMED
    if _PDF_ENCRYPTED.search(content):
        return _ENCRYPTED
    if _PDF_ACTIVE.search(content):
        return _ACTIVE
    try:
        hidden = any(_PDF_ACTIVE.search(objects) for objects in _inflated_objects(content))
    except (zlib.error, _UnreadableObjectsError):
        return _MALFORMED
    return _ACTIVE if hidden else _FINE


class _UnreadableObjectsError(Exception):
    """Object streams are damaged, or hold more than a text needs."""


def _inflated_objects(content: bytes) -> Iterator[bytes]:
    """Yield the objects within a PDF's compressed object streams."""
    left_bytes = MAX_INFLATED_BYTES
    for number, found in enumerate(_PDF_OBJECT_STREAM.finditer(content)):
        begin = _PDF_STREAM_BEGIN.search(content, found.end())
        if begin is None:
            continue
        beginning_of_object = max(content.rfind(b"obj", 0, found.start()), 0)
        if not _PDF_FILTER.search(content, beginning_of_object, begin.start()):
            continue  # its objects are plain to see in the file
        end = content.find(b"endstream", begin.end())
        inflater = zlib.decompressobj()
        objects = inflater.decompress(content[begin.end() : end], left_bytes)
        left_bytes -= len(objects)
        # Another filter fails above; a stream that goes on beyond its end would hide the rest.
        if not inflater.eof or left_bytes <= 0 or number >= MAX_OBJECT_STREAMS:
            raise _UnreadableObjectsError
        yield objects


def _check_archive(
    find_active: Callable[[zipfile.ZipFile], QuarantineReason],
) -> Callable[[bytes], QuarantineReason]:
    def check(content: bytes) -> QuarantineReason:
        try:
            with open_archive(content) as archive:
                entries = archive.infolist()
                if any(entry.flag_bits & _ENCRYPTED_FLAG for entry in entries):
                    return _ENCRYPTED
                if sum(entry.file_size for entry in entries) > MAX_UNPACKED_BYTES:
                    return _MALFORMED
                if any(_TEST_FILE in part for part in _small_entries(archive)):
                    return QuarantineReason.MALWARE
                return find_active(archive)
        except MalformedArchiveError:
            return _MALFORMED

    return check


_MAX_SMALL_ENTRY_BYTES: Final = 4_096


def _small_entries(archive: zipfile.ZipFile) -> Iterator[bytes]:
    for entry in archive.infolist():
        if entry.file_size <= _MAX_SMALL_ENTRY_BYTES:
            yield _read_entry(archive, entry.filename, _MAX_SMALL_ENTRY_BYTES)


def _read_entry(archive: zipfile.ZipFile, name: str, max_bytes: int = MAX_INSPECTED_ENTRY_BYTES) -> bytes:
    """Return an entry, at most its first `max_bytes`; b"" when it is missing."""
    if name not in archive.NameToInfo:
        return b""
    with archive.open(name) as entry:
        return entry.read(max_bytes)


_DOCX_ACTIVE_NAME: Final = re.compile(
    r"(?i)vba(?:project|data)|^word/activex/|\.(?:bin|exe|dll|js|vbs|hta|scr)$"
)
_DOCX_MACROS: Final = re.compile(rb"(?i)macroEnabled|vbaProject|ms-office\.activeX")
_DOCX_REMOTE_TEMPLATE: Final = re.compile(rb"(?is)attachedTemplate.{0,400}?TargetMode\s*=\s*[\"']External")
_DOCX_SETTINGS: Final = "word/_rels/settings.xml.rels"
_DOCX_PRINTER_SETTINGS: Final = re.compile(r"(?i)^word/printerSettings/[^/]+\.bin$")


def _find_active_docx(archive: zipfile.ZipFile) -> QuarantineReason:
    names = [name for name in archive.namelist() if not _DOCX_PRINTER_SETTINGS.search(name)]
    if any(map(_DOCX_ACTIVE_NAME.search, names)):
        return _ACTIVE
    if _DOCX_MACROS.search(_read_entry(archive, "[Content_Types].xml")):
        return _ACTIVE
    # A template on another machine may bring macros when the file is opened.
    return _ACTIVE if _DOCX_REMOTE_TEMPLATE.search(_read_entry(archive, _DOCX_SETTINGS)) else _FINE


_ODT_ACTIVE_NAME: Final = re.compile(r"(?i)^(?:Basic|Scripts)/.+|\.(?:exe|dll|js|vbs|hta|scr)$")


def _find_active_odt(archive: zipfile.ZipFile) -> QuarantineReason:
    if b"encryption-data" in _read_entry(archive, "META-INF/manifest.xml"):
        return _ENCRYPTED
    return _ACTIVE if any(map(_ODT_ACTIVE_NAME.search, archive.namelist())) else _FINE


_PNG_MARK_BYTES: Final = 8
_PNG_CHUNK_FRAME_BYTES: Final = 12
"""Length, type and checksum of a chunk."""


def _check_png(content: bytes) -> QuarantineReason:
    """Walk the chunks: the header first, the end last, and nothing behind it."""
    at, is_first = _PNG_MARK_BYTES, True
    while at + _PNG_CHUNK_FRAME_BYTES <= len(content):
        kind = content[at + 4 : at + 8]
        if is_first != (kind == b"IHDR"):
            return _MALFORMED
        at += _PNG_CHUNK_FRAME_BYTES + int.from_bytes(content[at : at + 4])
        is_first = False
        if kind == b"IEND":
            return _FINE if at == len(content) else _MALFORMED
    return _MALFORMED


def _check_jpeg(content: bytes) -> QuarantineReason:
    return _FINE if b"\xff\xd9" in content[-_LAST_BYTES:] else _MALFORMED


_RULES: Final[Mapping[str, Callable[[bytes], QuarantineReason]]] = {
    MediaType.PDF: _check_pdf,
    MediaType.DOCX: _check_archive(_find_active_docx),
    MediaType.ODT: _check_archive(_find_active_odt),
    MediaType.TEXT: lambda _: _FINE,
    MediaType.PNG: _check_png,
    MediaType.JPEG: _check_jpeg,
}
