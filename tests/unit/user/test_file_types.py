import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.user.domain.file_types import MAX_ARCHIVE_ENTRIES, MediaType, find_media_type
from tests.unit.user.files import DOCX_TYPES, SAMPLES, archive, pdf

XLSX = {"[Content_Types].xml": DOCX_TYPES, "xl/workbook.xml": "<workbook/>"}


@pytest.mark.parametrize("media_type", SAMPLES)
def test_each_accepted_type_is_found_by_its_content(media_type: MediaType) -> None:
    assert find_media_type(SAMPLES[media_type]) is media_type


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b" \n\t ",
        b"MZ\x90\x00\x03",
        b"\x7fELF\x02\x01\x01",
        b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1",
        b"GIF89a\x01\x00",
        b"{\\rtf1 text}\x00",
        b"Latin-1: Z\xfcrich",
        b"\xff\xfeU\x00T\x00F\x00",
        b"a bell \a rings",
        "a \x9b control".encode(),
        archive({"a.txt": "any archive"}),
        archive(XLSX),
        archive({"mimetype": "application/vnd.oasis.opendocument.spreadsheet", "content.xml": "<x/>"}),
        b"PK\x03\x04 and nothing more",
        b"x" * 2_000 + b"\x00%PDF-1.7",
    ],
    ids=lambda content: repr(content[:16]),
)
def test_other_contents_have_no_accepted_type(content: bytes) -> None:
    assert find_media_type(content) is None


def test_a_text_may_begin_with_a_mark_of_its_order_and_a_pdf_with_a_line_of_a_mail_gateway() -> None:
    assert find_media_type("\ufeffSam".encode()) is MediaType.TEXT
    assert find_media_type(b"X-Scanned: yes\r\n" + pdf()) is MediaType.PDF


def test_a_truncated_archive_has_no_type() -> None:
    whole = SAMPLES[MediaType.DOCX]
    assert {find_media_type(whole[:length]) for length in range(4, len(whole) - 1, 7)} == {None}


def test_an_archive_with_very_many_entries_is_refused_at_once() -> None:
    entries: dict[str, bytes | str] = {f"{number}": "" for number in range(MAX_ARCHIVE_ENTRIES * 4)}
    content = archive(entries | {"word/document.xml": "", "[Content_Types].xml": ""})
    # The end names few entries, as a hostile archive may.
    end = content.rfind(b"PK\x05\x06")
    lying = content[: end + 8] + b"\x02\x00\x02\x00" + content[end + 12 :]
    began = time.monotonic()
    assert find_media_type(content) is None
    assert find_media_type(lying) is None
    assert time.monotonic() - began < 2


@given(st.binary())
def test_no_content_makes_it_fail(content: bytes) -> None:
    find_media_type(content)
    find_media_type(b"PK\x03\x04" + content)


@given(st.data())
def test_no_damaged_archive_makes_it_fail(data: st.DataObject) -> None:
    content = bytearray(SAMPLES[data.draw(st.sampled_from([MediaType.DOCX, MediaType.ODT]))])
    for place in data.draw(st.lists(st.integers(0, len(content) - 1), max_size=12)):
        content[place] = data.draw(st.integers(0, 255))
    find_media_type(bytes(content))
