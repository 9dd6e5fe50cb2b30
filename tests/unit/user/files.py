"""Small files of each accepted type, and some that are refused."""

import io
import struct
import zipfile
import zlib
from collections.abc import Mapping

from services.user.domain.file_types import MediaType

DOCX_TYPES = '<Types><Override ContentType="application/vnd.ms-word.document.main+xml"/></Types>'
EICAR = b"X5O!P%@AP[4\\PZX54(P^)7CC)7}$" + b"EICAR-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*"


def pdf(*objects: bytes) -> bytes:
    body = b"\n".join(objects) or b"1 0 obj\n<< /Type /Catalog >>\nendobj"
    return b"%PDF-1.7\n" + body + b"\ntrailer << /Root 1 0 R >>\nstartxref\n9\n%%EOF\n"


def object_stream(objects: bytes, *, filters: bytes = b"/FlateDecode") -> bytes:
    packed = zlib.compress(objects)
    head = b"7 0 obj\n<< /Type /ObjStm /N 1 /First 4 /Filter %b /Length %d >>\n" % (filters, len(packed))
    return head + b"stream\n" + packed + b"\nendstream\nendobj"


def archive(entries: Mapping[str, bytes | str], *, method: int = zipfile.ZIP_DEFLATED) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", method) as written:
        for name, content in entries.items():
            # Without the present time, so that the same entries always give the same bytes.
            written.writestr(zipfile.ZipInfo(name), content, compress_type=method)
    return packed.getvalue()


def docx(**more: bytes | str) -> bytes:
    entries: dict[str, bytes | str] = {
        "[Content_Types].xml": DOCX_TYPES,
        "_rels/.rels": "<Relationships/>",
        "word/document.xml": "<document>Sam Okafor</document>",
    }
    return archive(entries | more)


def odt(**more: bytes | str) -> bytes:
    entries: dict[str, bytes | str] = {
        "mimetype": MediaType.ODT.value,
        "content.xml": "<text>Sam Okafor</text>",
        "META-INF/manifest.xml": "<manifest/>",
    }
    return archive(entries | more)


def png(*, trailing: bytes = b"") -> bytes:
    def chunk(kind: bytes, content: bytes) -> bytes:
        return (
            struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
        )

    header = struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0)
    pixels = chunk(b"IDAT", zlib.compress(b"\0\0"))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + pixels + chunk(b"IEND", b"") + trailing


JPEG = b"\xff\xd8\xff\xe0\x00\x10JFIF\x00\x01" + bytes(9) + b"\xff\xd9"
TEXT = "Sam Okafor, Zürich\n".encode()
SAMPLES = {
    MediaType.PDF: pdf(),
    MediaType.DOCX: docx(),
    MediaType.ODT: odt(),
    MediaType.TEXT: TEXT,
    MediaType.PNG: png(),
    MediaType.JPEG: JPEG,
}
