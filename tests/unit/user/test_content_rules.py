import time
import zipfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.user.domain.content_rules import MAX_INFLATED_BYTES, find_quarantine_reason
from services.user.domain.documents import QuarantineReason
from services.user.domain.file_types import MediaType
from tests.unit.user.files import EICAR, JPEG, SAMPLES, archive, docx, object_stream, odt, pdf, png

FINE, ACTIVE = QuarantineReason.UNSPECIFIED, QuarantineReason.ACTIVE_CONTENT
MALFORMED, ENCRYPTED = QuarantineReason.MALFORMED, QuarantineReason.ENCRYPTED
MALWARE = QuarantineReason.MALWARE
SCRIPT = b"5 0 obj\n<< /S /JavaScript /JS (app.alert(1)) >>\nendobj"


@pytest.mark.parametrize("media_type", SAMPLES)
def test_a_plain_file_of_each_type_passes(media_type: MediaType) -> None:
    assert find_quarantine_reason(SAMPLES[media_type], media_type) is FINE


@pytest.mark.parametrize("media_type", SAMPLES)
def test_the_test_file_of_scanners_is_malware_in_a_file_of_any_type(media_type: MediaType) -> None:
    assert find_quarantine_reason(SAMPLES[media_type] + EICAR, media_type) is MALWARE
    assert find_quarantine_reason(EICAR, media_type) is MALWARE


def test_the_test_file_is_found_packed_in_a_document() -> None:
    assert find_quarantine_reason(docx(**{"word/media/a.txt": EICAR}), MediaType.DOCX) is MALWARE
    assert find_quarantine_reason(odt(**{"Pictures/a.txt": EICAR}), MediaType.ODT) is MALWARE


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (pdf(SCRIPT), ACTIVE),
        (pdf(SCRIPT.replace(b"/JavaScript", b"/J#61vaScr#69pt")), ACTIVE),
        (pdf(b"<< /S /Launch /F (cmd.exe) >>"), ACTIVE),
        (pdf(b"<< /Subtype /RichMedia >>"), ACTIVE),
        (pdf(b"<< /AcroForm << /XFA [] >> >>"), ACTIVE),
        (pdf(object_stream(b"1 0 " + SCRIPT)), ACTIVE),
        (pdf(object_stream(b"1 0 << /S /J#61vaScript >>").replace(b"/ObjStm", b"/Obj#53tm")), ACTIVE),
        (pdf(object_stream(b"1 0 << /Type /Page >>")), FINE),
        (pdf(object_stream(b"1 0 " + SCRIPT, filters=b"[/ASCIIHexDecode /FlateDecode]")), ACTIVE),
        (pdf(object_stream(SCRIPT).replace(b"x\x9c", b"xx")), MALFORMED),
        (pdf(b"<< /Encrypt 9 0 R >>"), ENCRYPTED),
        (pdf(b"<< /#45ncrypt<< /V 4 >> >>"), ENCRYPTED),
        (pdf(b"<< /EncryptMetadata false /OpenAction [3 0 R /Fit] /JSON (no script) >>"), FINE),
        (pdf()[:-8], MALFORMED),
        (b"%PDF-1.7\n%%EOF", MALFORMED),
    ],
)  # fmt: skip
def test_a_pdf_is_refused_for_scripts_encryption_and_damage(content: bytes, reason: QuarantineReason) -> None:
    assert find_quarantine_reason(content, MediaType.PDF) is reason


def test_a_script_that_fakes_the_end_of_its_object_stream_does_not_hide() -> None:
    hidden = object_stream(b"1 0 " + b"x" * 4_000 + SCRIPT)
    begin = hidden.index(b"stream\n") + len(b"stream\n")
    faked = hidden[: begin + 10] + b"endstream" + hidden[begin + 10 :]
    assert find_quarantine_reason(pdf(faked), MediaType.PDF) is MALFORMED


def test_a_bomb_in_a_pdf_ends_within_its_bound() -> None:
    began = time.monotonic()
    bomb = object_stream(bytes(MAX_INFLATED_BYTES + 1))
    assert find_quarantine_reason(pdf(bomb), MediaType.PDF) is MALFORMED
    assert find_quarantine_reason(pdf(*[object_stream(bytes(30_000_000))] * 5), MediaType.PDF) is MALFORMED
    assert time.monotonic() - began < 20


RELATIONS = '<Relationship Type=".../attachedTemplate" Target="http://x.test/a.dotm" TargetMode="External"/>'


@pytest.mark.parametrize(
    ("entries", "reason"),
    [
        ({"word/vbaProject.bin": b"\0"}, ACTIVE),
        ({"word/VBADATA.xml": "<x/>"}, ACTIVE),
        ({"word/activeX/activeX1.xml": "<x/>"}, ACTIVE),
        ({"word/embeddings/oleObject1.bin": b"\0"}, ACTIVE),
        ({"word/embeddings/run.exe": b"\0"}, ACTIVE),
        ({"[Content_Types].xml": "application/vnd.ms-word.document.macroEnabled.main+xml"}, ACTIVE),
        ({"word/_rels/settings.xml.rels": RELATIONS}, ACTIVE),
        ({"word/printerSettings/printerSettings1.bin": b"\0"}, FINE),
        ({"word/embeddings/chart.xlsx": b"\0", "word/media/image1.png": png()}, FINE),
        ({"word/_rels/document.xml.rels": '<R Target="http://x.test" TargetMode="External"/>'}, FINE),
    ],
)
def test_a_docx_is_refused_for_what_could_run(
    entries: dict[str, bytes | str], reason: QuarantineReason
) -> None:
    assert find_quarantine_reason(docx(**entries), MediaType.DOCX) is reason


@pytest.mark.parametrize(
    ("entries", "reason"),
    [
        ({"Basic/Standard/Module1.xml": "<x/>"}, ACTIVE),
        ({"Scripts/python/a.py": "import os"}, ACTIVE),
        ({"META-INF/manifest.xml": "<manifest:encryption-data/>"}, ENCRYPTED),
        ({"Pictures/1.png": png(), "Thumbnails/thumbnail.png": png()}, FINE),
    ],
)
def test_an_odt_is_refused_for_macros_and_encryption(
    entries: dict[str, bytes | str], reason: QuarantineReason
) -> None:
    assert find_quarantine_reason(odt(**entries), MediaType.ODT) is reason


def test_an_archive_with_a_password_is_encrypted() -> None:
    content = bytearray(docx())
    for mark, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        content[content.index(mark) + offset] |= 1
    assert find_quarantine_reason(bytes(content), MediaType.DOCX) is ENCRYPTED


def test_an_archive_that_unpacks_to_far_more_than_a_text_is_malformed() -> None:
    bomb = archive({"word/document.xml": bytes(230 * 1024 * 1024), "[Content_Types].xml": ""})
    assert len(bomb) < 1024 * 1024
    assert find_quarantine_reason(bomb, MediaType.DOCX) is MALFORMED


def test_an_entry_that_does_not_unpack_is_malformed() -> None:
    content = archive({"[Content_Types].xml": "a" * 99, "word/document.xml": ""}, method=zipfile.ZIP_STORED)
    damaged = content.replace(b"a" * 99, b"a" * 98 + b"b", 1)
    assert find_quarantine_reason(damaged, MediaType.DOCX) is MALFORMED


def test_an_image_with_something_behind_its_end_is_malformed() -> None:
    assert find_quarantine_reason(png(trailing=b"<script>"), MediaType.PNG) is MALFORMED
    assert find_quarantine_reason(png()[:-1], MediaType.PNG) is MALFORMED
    assert find_quarantine_reason(JPEG[:-2], MediaType.JPEG) is MALFORMED


def test_a_type_that_nobody_knows_passes_nowhere() -> None:
    assert find_quarantine_reason(b"anything", "application/x-unknown") is MALFORMED


@given(st.sampled_from(list(SAMPLES)), st.binary())
def test_no_content_makes_a_rule_fail(media_type: MediaType, content: bytes) -> None:
    find_quarantine_reason(content, media_type)


@given(st.data())
def test_no_damaged_file_makes_a_rule_fail(data: st.DataObject) -> None:
    media_type = data.draw(st.sampled_from(list(SAMPLES)))
    sample = pdf(object_stream(b"1 0 << >>")) if media_type is MediaType.PDF else SAMPLES[media_type]
    content = bytearray(sample)
    for place in data.draw(st.lists(st.integers(0, len(content) - 1), max_size=12)):
        content[place] = data.draw(st.integers(0, 255))
    find_quarantine_reason(bytes(content), media_type)
