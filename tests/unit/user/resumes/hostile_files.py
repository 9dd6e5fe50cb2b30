"""Files that want to hurt their reader."""

import io
import zipfile
import zlib
from collections.abc import Callable, Mapping
from typing import Final

import docx
from reportlab.lib.pdfencrypt import StandardEncryption
from reportlab.pdfgen.canvas import Canvas

from verify.resumes.sample_set import generate_resumes

MEGABYTE: Final = 1024 * 1024
DOCUMENT: Final = "word/document.xml"
_WORD: Final = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'


def sample(name: str) -> bytes:
    return next(each.content for each in generate_resumes() if each.style.name == name)


def make_pdf(objects: Mapping[int, bytes]) -> bytes:
    """Return a file of these objects; 1 is the catalog."""
    body, places = b"%PDF-1.7\n", {}
    for number, content in objects.items():
        places[number] = len(body)
        body += b"%d 0 obj\n%s\nendobj\n" % (number, content)
    table = b"".join(b"%010d 00000 n \n" % places[number] for number in sorted(places))
    count = len(places) + 1
    trailer = b"trailer\n<</Size %d/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF" % (count, len(body))
    return body + b"xref\n0 %d\n0000000000 65535 f \n" % count + table + trailer


def pdf_with_content(content: bytes, entries: bytes = b"", more: Mapping[int, bytes] | None = None) -> bytes:
    """Return a file of one page with this content stream; `more` are objects from number 6 on."""
    return make_pdf(
        {
            1: b"<</Type/Catalog/Pages 2 0 R>>",
            2: b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
            3: b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]/Contents 4 0 R/Resources<</Font<</F 5 0 R>>"
            b"/XObject<</X 6 0 R>>>>>>",
            4: b"<</Length %d%s>>stream\n%s\nendstream" % (len(content), entries, content),
            5: b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>",
            **(more or {}),
        }
    )


def deflate_bomb() -> bytes:
    """Return a page whose content is 2 GB of blanks, deflated twice."""
    once = _deflated_blanks(2_000)
    return pdf_with_content(zlib.compress(once), b"/Filter[/FlateDecode/FlateDecode]")


def _deflated_blanks(megabytes: int) -> bytes:
    packer = zlib.compressobj(1)
    blank = b" " * MEGABYTE
    return b"".join([*(packer.compress(blank) for _ in range(megabytes)), packer.flush()])


def exponential_forms() -> bytes:
    """Return a page with a form that draws another one twice, which draws another one twice, and so on."""
    forms = {
        number: b"<</Type/XObject/Subtype/Form/BBox[0 0 9 9]/Resources<</XObject<</X %d 0 R>>>>/Length 11>>stream\n"
        b"/X Do /X Do\nendstream" % (number + 1)
        for number in range(6, 46)
    }
    return pdf_with_content(
        b"/X Do",
        more={**forms, 46: b"<</Type/XObject/Subtype/Form/BBox[0 0 9 9]/Length 0>>stream\n\nendstream"},
    )


def form_in_itself() -> bytes:
    form = b"<</Type/XObject/Subtype/Form/BBox[0 0 9 9]/Resources<</XObject<</X 6 0 R>>>>/Length 5>>stream\n/X Do\nendstream"
    return pdf_with_content(b"/X Do", more={6: form})


def endless_tokens() -> bytes:
    """Return a page of twelve million operators in a few kilobytes."""
    return pdf_with_content(zlib.compress(b"q Q " * 6_000_000), b"/Filter/FlateDecode")


def nested_arrays() -> bytes:
    return make_pdf(
        {
            1: b"<</Type/Catalog/Pages 2 0 R>>",
            2: b"<</Type/Pages/Kids" + b"[" * 200_000 + b"]" * 200_000 + b">>",
        }
    )


def page_tree_in_a_circle() -> bytes:
    return make_pdf({1: b"<</Type/Catalog/Pages 2 0 R>>", 2: b"<</Type/Pages/Kids[2 0 R 2 0 R]/Count 2>>"})


def many_pages(count: int = 1_000) -> bytes:
    buffer = io.BytesIO()
    canvas = Canvas(buffer)
    for number in range(count):
        canvas.drawString(50, 700, f"Experience of page {number}")
        canvas.showPage()
    canvas.save()
    return buffer.getvalue()


def many_letters() -> bytes:
    text = b"BT /F 1 Tf " + b"(Sam Okafor and so on and so on) Tj " * 20_000 + b"ET"
    return pdf_with_content(zlib.compress(text), b"/Filter/FlateDecode")


def huge_image() -> bytes:
    """Return a page with a picture of 30,000 times 30,000 points beside a line of text."""
    image = (
        b"<</Type/XObject/Subtype/Image/Width 30000/Height 30000/ColorSpace/DeviceRGB/BitsPerComponent 8"
        b"/Filter/FlateDecode/Length 5>>stream\nxxxxx\nendstream"
    )
    text = b"/X Do BT /F 12 Tf 50 700 Td (Sam Okafor, sam@example.org, a student of maps) Tj ET"
    return pdf_with_content(text, more={6: image})


def scanned_page() -> bytes:
    return pdf_with_content(b"0 0 100 100 re f")


def encrypted_pdf(password: str = "secret") -> bytes:
    """Return a page that opens with this password; an empty one only forbids to print."""
    buffer = io.BytesIO()
    canvas = Canvas(buffer, encrypt=StandardEncryption(password, ownerPassword="owner", canPrint=0))
    canvas.drawString(50, 700, "Sam Okafor, sam@example.org")
    canvas.save()
    return buffer.getvalue()


def encrypted_docx() -> bytes:
    """Return the head of an OLE file with the stream in which Office keeps what has a password."""
    return (
        bytes.fromhex("d0cf11e0a1b11ae1") + bytes(500) + "EncryptedPackage".encode("utf-16-le") + bytes(500)
    )


def old_word_file() -> bytes:
    return bytes.fromhex("d0cf11e0a1b11ae1") + bytes(2_000)


def docx_with(replaced: Mapping[str, bytes], *, content: bytes | None = None) -> bytes:
    """Return a document with other bytes for some of its parts, or with further parts."""
    buffer = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(content or plain_docx())) as source,
        zipfile.ZipFile(buffer, "w") as target,
    ):
        for entry in source.infolist():
            if entry.filename not in replaced:
                target.writestr(entry, source.read(entry))
        for name, part in replaced.items():
            target.writestr(name, part, zipfile.ZIP_DEFLATED)
    return buffer.getvalue()


def plain_docx() -> bytes:
    document = docx.Document()
    document.add_paragraph("Sam Okafor")
    document.add_paragraph("sam.okafor@example.org")
    buffer = io.BytesIO()
    document.save(buffer)
    return buffer.getvalue()


def zip_bomb() -> bytes:
    text = b"<w:document %s><w:body><w:p><w:r><w:t>" % _WORD.encode() + b" " * (30 * MEGABYTE)
    return docx_with({DOCUMENT: text + b"</w:t></w:r></w:p></w:body></w:document>"})


def bomb_of_other_parts() -> bytes:
    return docx_with({f"word/media/image{number}.png": bytes(16 * MEGABYTE) for number in range(4)})


def lying_zip() -> bytes:
    """Return an archive that states one kilobyte for a part of 50 MB."""
    honest = docx_with({DOCUMENT: b" " * (50 * MEGABYTE)})
    return honest.replace((50 * MEGABYTE).to_bytes(4, "little"), (1_024).to_bytes(4, "little"))


def many_zip_entries() -> bytes:
    return docx_with({f"word/part{number}.xml": b"<a/>" for number in range(2_000)})


def entity_bomb() -> bytes:
    entities = "".join(f'<!ENTITY e{at} "{f"&e{at - 1};" * 10 if at else "ha" * 10}">' for at in range(12))
    text = f'<?xml version="1.0"?><!DOCTYPE d [{entities}]><w:document {_WORD}><w:body><w:p><w:r><w:t>&e11;</w:t></w:r></w:p></w:body></w:document>'
    return docx_with({DOCUMENT: text.encode()})


def external_entity(address: str) -> bytes:
    text = (
        f'<?xml version="1.0"?><!DOCTYPE d [<!ENTITY e SYSTEM "{address}">]><w:document {_WORD}><w:body><w:p><w:r>'
        "<w:t>Sam Okafor studies maps in Berlin &e;</w:t></w:r></w:p></w:body></w:document>"
    )
    return docx_with({DOCUMENT: text.encode()})


def nested_xml() -> bytes:
    depth = 100_000
    text = f"<w:document {_WORD}><w:body>" + "<w:tbl><w:tr><w:tc>" * depth + "</w:tc></w:tr></w:tbl>" * depth
    return docx_with({DOCUMENT: f"{text}</w:body></w:document>".encode()})


def many_paragraphs() -> bytes:
    text = f"<w:document {_WORD}><w:body>" + "<w:p><w:r><w:t>a</w:t></w:r></w:p>" * 150_000
    return docx_with({DOCUMENT: f"{text}</w:body></w:document>".encode()})


def docx_with_macros() -> bytes:
    return docx_with({"word/vbaProject.bin": b"Sub AutoOpen()" * 100})


def docm() -> bytes:
    with zipfile.ZipFile(io.BytesIO(plain_docx())) as archive:
        types = archive.read("[Content_Types].xml")
    macro_type = b"application/vnd.ms-word.document.macroEnabled.main+xml"
    plain_type = b"application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml"
    return docx_with({"[Content_Types].xml": types.replace(plain_type, macro_type)})


Builder = Callable[[], bytes]
