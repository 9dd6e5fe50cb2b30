"""A résumé on one page, for the person of the journey."""

from collections.abc import Sequence
from typing import Final

_PAGE_HEIGHT: Final = 842
_MARGIN: Final = 64
_LINE_HEIGHT: Final = 16
_FONT_SIZE: Final = 11


def sample_resume(name: str, email: str) -> bytes:
    """Return a PDF with a person's experience and education."""
    return _one_page(
        [
            name,
            f"{email}  Berlin, Germany",
            "",
            "Experience",
            "Working student, Harbour Analytics, Berlin",
            "May 2025 - September 2025",
            "- Wrote a service in Python that reads sensor data from a queue",
            "",
            "Education",
            "BSc Computer Science, Technical University of Berlin",
            "October 2025 - September 2028",
        ]
    )


def _one_page(lines: Sequence[str]) -> bytes:
    """Return a PDF of plain lines in Helvetica."""
    shown = "\n".join(f"({_escape(line)}) Tj T*" for line in lines)
    start = f"{_MARGIN} {_PAGE_HEIGHT - _MARGIN} Td {_LINE_HEIGHT} TL"
    content = f"BT /F1 {_FONT_SIZE} Tf {start}\n{shown}\nET"
    objects = (
        "<< /Type /Catalog /Pages 2 0 R >>",
        "<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 {_PAGE_HEIGHT}] /Contents 4 0 R"
        " /Resources << /Font << /F1 5 0 R >> >> >>",
        f"<< /Length {len(content)} >>\nstream\n{content}\nendstream",
        "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>",
    )
    body, offsets = "%PDF-1.4\n", []
    for number, each in enumerate(objects, start=1):
        offsets.append(len(body))
        body += f"{number} 0 obj\n{each}\nendobj\n"
    table = "".join(f"{offset:010} 00000 n \n" for offset in offsets)
    count = len(objects) + 1
    trailer = f"trailer\n<< /Size {count} /Root 1 0 R >>\nstartxref\n{len(body)}\n%%EOF\n"
    return f"{body}xref\n0 {count}\n0000000000 65535 f \n{table}{trailer}".encode("ascii")


def _escape(line: str) -> str:
    return line.replace("\\", r"\\").replace("(", r"\(").replace(")", r"\)")
