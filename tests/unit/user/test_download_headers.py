import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.user.domain.file_types import MediaType
from services.user.download_headers import MAX_NAME_CHARS, download_headers, safe_file_name


@pytest.mark.parametrize(
    ("name", "media_type", "saved"),
    [
        ("Resume 2027.pdf", MediaType.PDF, "Resume 2027.pdf"),
        ("Resume 2027.PDF", MediaType.PDF, "Resume 2027.pdf"),
        ("Lebenslauf Zoë.docx", MediaType.DOCX, "Lebenslauf Zoë.docx"),
        ("photo.jpeg", MediaType.JPEG, "photo.jpg"),
        ("resume.pdf.exe", MediaType.PDF, "resume.pdf.exe.pdf"),
        ("resume.html", MediaType.TEXT, "resume.html.txt"),
        ("../../etc/passwd", MediaType.TEXT, "etcpasswd.txt"),
        ("C:\\con", MediaType.TEXT, "Ccon.txt"),
        ('a"; filename="b.exe', MediaType.PDF, "a filename=b.exe.pdf"),
        ("a\r\nset-cookie: b", MediaType.PDF, "aset-cookie b.pdf"),
        ("\u202efdp.exe", MediaType.PDF, "fdp.exe.pdf"),
        ("...", MediaType.PNG, "document.png"),
        (" ", MediaType.ODT, "document.odt"),
        ("履歴書", MediaType.PDF, "履歴書.pdf"),
        ("x" * 300, MediaType.PDF, "x" * MAX_NAME_CHARS + ".pdf"),
    ],
)
def test_a_file_is_saved_under_a_safe_name_with_the_extension_of_its_type(
    name: str, media_type: str, saved: str
) -> None:
    assert safe_file_name(name, media_type) == saved


def test_a_browser_saves_the_file_and_neither_shows_nor_runs_nor_shares_it() -> None:
    headers = dict(download_headers("Zoë.pdf", MediaType.PDF))
    expected = "attachment; filename=\"Zoe.pdf\"; filename*=UTF-8''Zo%C3%AB.pdf"
    assert headers["content-disposition"] == expected
    assert headers["x-content-type-options"] == "nosniff"
    assert "sandbox" in headers["content-security-policy"]
    assert headers["cache-control"].startswith("private")


def test_a_name_without_a_letter_of_ascii_has_a_plain_one_for_old_clients() -> None:
    headers = dict(download_headers("履歴書.pdf", MediaType.PDF))
    assert 'filename="document.pdf"' in headers["content-disposition"]


@given(st.text(max_size=200), st.sampled_from(list(MediaType)))
def test_no_name_breaks_the_header(name: str, media_type: MediaType) -> None:
    value = dict(download_headers(name, media_type))["content-disposition"]
    assert value.isascii() and value.isprintable()
    assert value.count('"') == 2
    assert value.startswith('attachment; filename="')
