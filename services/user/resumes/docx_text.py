"""The lines of a Word document, by python-docx: paragraphs, tables, text boxes and the page's head."""

import io
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import count
from typing import Any, Final

import docx
from docx.document import Document
from docx.oxml.ns import qn
from docx.table import Table, _Cell
from docx.text.paragraph import Paragraph

from services.user.domain.resumes.headings import is_margin_label
from services.user.domain.resumes.layout import arrange_table
from services.user.domain.resumes.parsed_resume import ResumeOutcome, ResumeReadError
from services.user.domain.resumes.text import BULLET_MARK, ResumeText, TextLine, tidy_line

MAX_ZIP_ENTRIES: Final = 1_000
MAX_UNZIPPED_BYTES: Final = 60 * 1024 * 1024
MAX_XML_BYTES: Final = 8 * 1024 * 1024
MAX_PARAGRAPHS: Final = 4_000
MAX_TABLE_DEPTH: Final = 3
_OLE_MAGIC: Final = bytes.fromhex("d0cf11e0a1b11ae1")
_ENCRYPTED_STREAM: Final = "EncryptedPackage".encode("utf-16-le")
"""What Office calls the only stream of a file with a password."""
_ENCRYPTED_FLAG: Final = 1
_DEFAULT_POINTS: Final = 11.0
_APART_POINTS: Final = 5.0
_HYPERLINK: Final = "/hyperlink"
_HEADING_STYLES: Final = ("heading", "überschrift")
_LIST_STYLES: Final = ("list", "liste", "aufzählung")


def read_docx(content: bytes) -> ResumeText:
    """Return the lines in reading order. Raises ResumeReadError, or an error of its libraries."""
    _check_archive(content)
    document = docx.Document(io.BytesIO(content))
    reader = _DocumentReader()
    lines = [line for section in document.sections[:1] for line in reader.read_lines(section.header)]
    lines += [line for box in reader.read_text_boxes(document) for line in box]
    lines += reader.read_lines(document)
    lines += [line for section in document.sections[:1] for line in reader.read_lines(section.footer)]
    return ResumeText(tuple(lines), tuple(_link_targets(document)))


def _check_archive(content: bytes) -> None:
    """Raise ResumeReadError for a file with a password, or one that is far larger than it pretends to be.

    The sizes are those that the archive states; zipfile reads no more than them.
    """
    if content.startswith(_OLE_MAGIC):
        is_encrypted = _ENCRYPTED_STREAM in content
        raise ResumeReadError(ResumeOutcome.ENCRYPTED if is_encrypted else ResumeOutcome.UNREADABLE)
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        entries = archive.infolist()
    if any(entry.flag_bits & _ENCRYPTED_FLAG for entry in entries):
        raise ResumeReadError(ResumeOutcome.ENCRYPTED)
    is_large = (
        len(entries) > MAX_ZIP_ENTRIES or sum(entry.file_size for entry in entries) > MAX_UNZIPPED_BYTES
    )
    markup = (entry for entry in entries if entry.filename.endswith((".xml", ".rels")))
    if is_large or any(entry.file_size > MAX_XML_BYTES for entry in markup):
        raise ResumeReadError(ResumeOutcome.TOO_LARGE)


def _link_targets(document: Document) -> Iterator[str]:
    for relation in document.part.rels.values():
        if relation.reltype.endswith(_HYPERLINK) and relation.is_external:
            yield relation.target_ref


class _DocumentReader:
    """Reads containers of paragraphs and tables; each block of lines has its own number."""

    def __init__(self) -> None:
        self._blocks = count()
        self._paragraphs = 0
        self._looks: dict[str | None, _StyleLooks] = {}

    def read_text_boxes(self, document: Document) -> Iterator[list[TextLine]]:
        """Yield the lines of each text box; the copy for older versions of Word is left out."""
        for box in document.element.body.iter(qn("w:txbxContent")):
            if not any(parent.tag.endswith("}Fallback") for parent in box.iterancestors()):
                yield self._read_elements([Paragraph(each, document) for each in box.iter(qn("w:p"))])

    def read_lines(self, container: Any, depth: int = 0) -> list[TextLine]:
        """Return the lines of a document, a page's head or a cell."""
        return self._read_elements(container.iter_inner_content(), depth)

    def _read_elements(self, elements: Any, depth: int = 0) -> list[TextLine]:
        lines: list[TextLine] = []
        block, is_apart = next(self._blocks), False
        for element in elements:
            if isinstance(element, Paragraph):
                found = self._read_paragraph(element, block, is_apart=is_apart)
                is_apart = not found
            elif depth == MAX_TABLE_DEPTH:
                continue
            else:
                columns = arrange_table(list(self._rows_of(element, depth)), is_margin_label)
                if len(columns) == 1:
                    found = [replace(line, block=block) for line in columns[0]]
                else:
                    found = [
                        replace(line, block=at)
                        for column, at in zip(columns, self._blocks, strict=False)
                        for line in column
                    ]
                    block = next(self._blocks)
                is_apart = True
            lines.extend(found)
        return lines

    def _rows_of(self, table: Table, depth: int) -> Iterator[list[list[TextLine]]]:
        for row in table._tbl.tr_lst:
            yield [self.read_lines(_Cell(cell, table), depth + 1) for cell in row.tc_lst]

    def _read_paragraph(self, paragraph: Paragraph, block: int, *, is_apart: bool) -> list[TextLine]:
        self._paragraphs += 1
        if self._paragraphs > MAX_PARAGRAPHS:
            raise ResumeReadError(ResumeOutcome.TOO_LARGE)
        looks = self._looks_of(paragraph)
        runs = [run for run in paragraph.runs if run.text.strip()]
        is_upper = bool(runs) and all(_or_style(run.font.all_caps, looks.is_upper) for run in runs)
        text = paragraph.text.upper() if is_upper else paragraph.text
        mark = f"{BULLET_MARK} " if looks.is_list or _has_number(paragraph) else ""
        before = paragraph.paragraph_format.space_before
        apart = is_apart or (before is not None and before.pt >= _APART_POINTS)
        sizes = [run.font.size.pt for run in runs if run.font.size is not None]
        bold = sum(len(run.text) for run in runs if _or_style(run.bold, looks.is_bold))
        lines = filter(None, map(tidy_line, text.split("\n")))
        return [
            TextLine(
                line if at else f"{mark}{line}",
                size=max(sizes, default=looks.size),
                is_bold=2 * bold > sum(len(run.text) for run in runs),
                is_heading=looks.is_heading,
                is_apart=apart and not at,
                block=block,
            )
            for at, line in enumerate(lines)
        ]

    def _looks_of(self, paragraph: Paragraph) -> "_StyleLooks":
        """Return the looks of the paragraph's style; python-docx searches all styles at each look-up."""
        key = paragraph._p.style
        if key not in self._looks:
            self._looks[key] = _read_looks(list(_styles_of(paragraph)))
        return self._looks[key]


@dataclass(frozen=True, slots=True)
class _StyleLooks:
    """What a paragraph's style says, where its runs say nothing else."""

    size: float
    is_bold: bool
    is_upper: bool
    is_list: bool
    is_heading: bool


def _read_looks(styles: Sequence[Any]) -> _StyleLooks:
    name = (styles[0].name or "").lower() if styles else ""
    sizes = (style.font.size.pt for style in styles if style.font.size is not None)
    return _StyleLooks(
        size=float(next(sizes, _DEFAULT_POINTS)),
        is_bold=next((style.font.bold for style in styles if style.font.bold is not None), False),
        is_upper=next((style.font.all_caps for style in styles if style.font.all_caps is not None), False),
        is_list=name.startswith(_LIST_STYLES),
        is_heading=name.startswith(_HEADING_STYLES),
    )


def _styles_of(paragraph: Paragraph) -> Iterator[Any]:
    """Yield the paragraph's style and those that it is based on; a circle of styles ends."""
    style: Any = paragraph.style
    seen = set[str]()
    while style is not None and style.style_id not in seen:
        seen.add(style.style_id)
        yield style
        style = style.base_style


def _has_number(paragraph: Paragraph) -> bool:
    properties = paragraph._p.pPr
    return properties is not None and properties.numPr is not None


def _or_style(of_run: bool | None, of_style: bool) -> bool:
    return of_style if of_run is None else of_run
