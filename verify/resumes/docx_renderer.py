"""Writes a résumé as a Word document, by python-docx."""

import io
from collections.abc import Callable, Iterable
from typing import Any, Final

import docx
from docx.enum.text import WD_TAB_ALIGNMENT
from docx.oxml import parse_xml
from docx.oxml.ns import nsdecls
from docx.shared import Cm, Pt

from verify.resumes.styles import ResumeStyle
from verify.resumes.wording import SECTIONS, SIDEBAR_SECTIONS, ShownLine, ShownResume, heading_of

_RIGHT_TAB: Final = Cm(16)
_TEXT_BOX: Final = """
<w:r {names} xmlns:wps="http://schemas.microsoft.com/office/word/2010/wordprocessingShape"
 xmlns:mc="http://schemas.openxmlformats.org/markup-compatibility/2006"
 xmlns:wp="http://schemas.openxmlformats.org/drawingml/2006/wordprocessingDrawing"
 xmlns:a="http://schemas.openxmlformats.org/drawingml/2006/main">
<mc:AlternateContent><mc:Choice Requires="wps"><w:drawing><wp:inline><wp:extent cx="1800000" cy="5000000"/>
<wp:docPr id="1" name="Box"/><a:graphic><a:graphicData uri="http://schemas.microsoft.com/office/word/2010/wordprocessingShape">
<wps:wsp><wps:txbx><w:txbxContent>{paragraphs}</w:txbxContent></wps:txbx></wps:wsp>
</a:graphicData></a:graphic></wp:inline></w:drawing></mc:Choice>
<mc:Fallback><w:pict><w:txbxContent>{paragraphs}</w:txbxContent></w:pict></mc:Fallback></mc:AlternateContent></w:r>"""


def write_docx(shown: ShownResume, style: ResumeStyle) -> bytes:
    """Return the file."""
    document = docx.Document()
    _WRITERS.get(style.columns, _write_one)(document, shown, style)
    buffer = io.BytesIO()
    document.save(buffer)
    return buffer.getvalue()


def _write_one(document: Any, shown: ShownResume, style: ResumeStyle) -> None:
    _write_lines(document, shown.head, style)
    if style.contact == "header":
        _write_lines(document.sections[0].header, shown.contact, style)
    else:
        _write_lines(document, shown.contact, style)
    for section in SECTIONS:
        _write_section(document, shown, style, section)


def _write_margin(document: Any, shown: ShownResume, style: ResumeStyle) -> None:
    _write_lines(document, shown.head, style)
    _write_lines(document, shown.contact, style)
    table = document.add_table(rows=0, cols=2)
    for section in SECTIONS:
        if shown.sections[section]:
            cells = table.add_row().cells
            cells[0].paragraphs[0].add_run(heading_of(style, section)).bold = True
            _write_lines(cells[1], shown.sections[section], style)


def _write_sidebar(document: Any, shown: ShownResume, style: ResumeStyle) -> None:
    cells = document.add_table(rows=1, cols=2).rows[0].cells
    side, main = cells if style.columns == "left" else reversed(cells)
    _write_lines(main, shown.head, style)
    _write_heading(side, heading_of(style, "contact"), style)
    _write_lines(side, shown.contact, style)
    for section in SECTIONS:
        _write_section(side if section in SIDEBAR_SECTIONS else main, shown, style, section)


def _write_box(document: Any, shown: ShownResume, style: ResumeStyle) -> None:
    """Put the contact data and the short sections into a text box, as designed templates do."""
    _write_lines(document, shown.head, style)
    texts = [heading_of(style, "contact"), *(line.text for line in shown.contact)]
    for section in sorted(SIDEBAR_SECTIONS):
        texts += [heading_of(style, section), *(line.text for line in shown.sections[section])]
    headings = {heading_of(style, section) for section in ("contact", *SIDEBAR_SECTIONS)}
    bold = "<w:rPr><w:b/></w:rPr>"
    paragraphs = "".join(
        f"<w:p><w:r>{bold if text in headings else ''}<w:t>{text.replace('&', '&amp;')}</w:t></w:r></w:p>"
        for text in texts
    )
    document.add_paragraph()._p.append(parse_xml(_TEXT_BOX.format(names=nsdecls("w"), paragraphs=paragraphs)))
    for section in SECTIONS:
        if section not in SIDEBAR_SECTIONS:
            _write_section(document, shown, style, section)


_WRITERS: Final[dict[str, Callable[[Any, ShownResume, ResumeStyle], None]]] = {
    "one": _write_one,
    "margin": _write_margin,
    "left": _write_sidebar,
    "right": _write_sidebar,
    "box": _write_box,
}


def _write_section(container: Any, shown: ShownResume, style: ResumeStyle, section: str) -> None:
    if lines := shown.sections[section]:
        _write_heading(container, heading_of(style, section), style)
        _write_lines(container, lines, style)


def _write_heading(container: Any, text: str, style: ResumeStyle) -> None:
    if style.heading == "style":
        container.add_paragraph(text, style="Heading 1")
        return
    run = container.add_paragraph().add_run(text)
    run.bold = True
    run.font.size = Pt(style.size * (1.5 if style.heading == "large" else 1.1))


def _write_lines(container: Any, lines: Iterable[ShownLine], style: ResumeStyle) -> None:
    rows: list[ShownLine] = []
    for line in lines:
        if line.label:
            rows.append(line)
            continue
        _write_table(container, rows, style)
        rows = []
        _write_line(container, line, style)
    _write_table(container, rows, style)


def _write_table(container: Any, rows: list[ShownLine], style: ResumeStyle) -> None:
    if not rows:
        return
    table = container.add_table(rows=0, cols=2)
    for line in rows:
        if line.label.strip():
            cells = table.add_row().cells
            cells[0].paragraphs[0].text = line.label
            _fill(cells[1].paragraphs[0], line, style)
        else:
            _fill(cells[1].add_paragraph(), line, style)


def _write_line(container: Any, line: ShownLine, style: ResumeStyle) -> None:
    if line.role == "bullet":
        container.add_paragraph(line.text, style="List Bullet")
    else:
        _fill(container.add_paragraph(), line, style)


def _fill(paragraph: Any, line: ShownLine, style: ResumeStyle) -> None:
    run = paragraph.add_run(line.text)
    run.bold = line.role in ("name", "title")
    run.font.size = Pt(style.size * (2 if line.role == "name" else 1))
    if line.right:
        paragraph.paragraph_format.tab_stops.add_tab_stop(_RIGHT_TAB, WD_TAB_ALIGNMENT.RIGHT)
        paragraph.add_run(f"\t{line.right}")
