"""Draws a résumé as a PDF, by reportlab."""

import io
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import reportlab
from reportlab.lib.pagesizes import A4
from reportlab.lib.utils import simpleSplit
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.ttfonts import TTFont
from reportlab.pdfgen.canvas import Canvas

from verify.resumes.styles import ResumeStyle
from verify.resumes.wording import SECTIONS, SIDEBAR_SECTIONS, ShownLine, ShownResume, heading_of

_WIDTH, _HEIGHT = A4
_MARGIN: Final = 50.0
_SIDEBAR_POINTS: Final = 165.0
_LABEL_POINTS: Final = 105.0
_GUTTER_POINTS: Final = 22.0
_LEADING: Final = 1.32
_FONTS: Final = {
    "Helvetica": ("Helvetica", "Helvetica-Bold"),
    "Times": ("Times-Roman", "Times-Bold"),
    "Vera": ("Vera", "VeraBd"),
}
_LIGATURES: Final = (("fi", "\ufb01"), ("fl", "\ufb02"))
_ICON_FONT: Final = "ZapfDingbats"
_ICONS: Final = "\x29\x25\x48\x2c"


@dataclass
class _Pen:
    """Writes lines from top to bottom between two margins, and begins a page when one is full."""

    canvas: Canvas
    style: ResumeStyle
    left: float
    right: float
    y: float
    ink: str = "black"
    label_points: float = 0.0
    heading_at: float | None = None

    def write(self, lines: Iterable[ShownLine]) -> None:
        for line in lines:
            _ROLES[line.role](self, line)

    def heading(self, text: str) -> None:
        """Write a heading; beside the text that follows when it has a place there."""
        self.y -= 0.7 * self.style.size
        if self.heading_at is not None:
            self._need(3)
            self._margin_heading(self.heading_at, text)
            return
        size = self.style.size * {"large": 1.5, "coloured": 1.25, "small_caps": 1.15}.get(
            self.style.heading, 1.1
        )
        self._need(4)
        shown = " ".join(text.replace(" ", "\u00a0\u00a0")) if self.style.heading == "spaced" else text
        if self.style.heading == "spaced":
            self.canvas.setFont(_FONTS[self.style.font][1], size)
            self.canvas.drawString(self.left, self.y, text, charSpace=4)
        else:
            self._draw(self.left, shown, bold=self.style.heading != "small_caps", size=size)
        if self.style.heading == "ruled":
            self.canvas.line(self.left, self.y - 3, self.right, self.y - 3)
        self._down(size * 1.25)

    def _margin_heading(self, left: float, text: str) -> None:
        top = self.y
        for part in simpleSplit(text, self._font(True), self.style.size, _LABEL_POINTS):
            self._draw(left, part, bold=True)
            self._down(self.style.size * _LEADING)
        self.y = top

    def text(
        self, line: ShownLine, *, bold: bool = False, indent: float = 0.0, mark: str = "", gap: float = 0.0
    ) -> None:
        """Write a line, divided where it is too long."""
        self.y -= gap
        left = self.left + indent + (self.label_points if line.label else 0.0)
        width = self.right - left - (self._width(line.right) + 12 if line.right else 0.0)
        parts = simpleSplit(line.text, self._font(bold), self.style.size, width) or [""]
        for at, part in enumerate(parts):
            self._need(1)
            if at == 0 and line.label.strip():
                self._draw(self.left, line.label)
            if at == 0 and mark:
                self._draw(left - 10, mark)
            self._draw(left, part, bold=bold)
            if at == 0 and line.right:
                self.canvas.setFont(self._font(False), self.style.size)
                self.canvas.drawRightString(self.right, self.y, self._spelt(line.right))
            self._down(self.style.size * _LEADING)

    def icon(self, line: ShownLine, number: int) -> None:
        """Write a line behind a picture."""
        self._need(1)
        self.canvas.setFont(_ICON_FONT, self.style.size)
        self.canvas.drawString(self.left, self.y, _ICONS[number % len(_ICONS)])
        self.text(ShownLine("plain", line.text), indent=16)

    def centred(self, line: ShownLine) -> None:
        """Write a line in the middle."""
        self.canvas.setFont(self._font(False), self.style.size)
        self.canvas.drawCentredString((self.left + self.right) / 2, self.y, self._spelt(line.text))
        self._down(self.style.size * _LEADING)

    def name(self, line: ShownLine) -> None:
        """Write the name, large."""
        size = self.style.size * 2
        width = self.right - self.left
        for part in simpleSplit(line.text, self._font(True), size, width):
            self._draw(self.left, part, bold=True, size=size)
            self._down(size * 1.25)

    def _draw(self, x: float, text: str, *, bold: bool = False, size: float | None = None) -> None:
        self.canvas.setFillColor(self.ink)
        self.canvas.setFont(self._font(bold), size or self.style.size)
        self.canvas.drawString(x, self.y, self._spelt(text))

    def _spelt(self, text: str) -> str:
        if self.style.font == "Vera":
            for letters, ligature in _LIGATURES:
                text = text.replace(letters, ligature)
        return text

    def _font(self, bold: bool) -> str:
        return _FONTS[self.style.font][bold]

    def _width(self, text: str) -> float:
        return float(pdfmetrics.stringWidth(text, self._font(False), self.style.size))

    def _down(self, points: float) -> None:
        self.y -= points

    def _need(self, lines: int) -> None:
        if self.y < _MARGIN + lines * self.style.size:
            if self.style.body == "many":
                page = self.canvas.getPageNumber()
                self.canvas.setFont(self._font(False), 8)
                self.canvas.drawString(_WIDTH / 2 - 20, 25, f"Seite {page} von 2")
            self.canvas.showPage()
            self.y = _HEIGHT - _MARGIN


_ROLES: Final[dict[str, Callable[[_Pen, ShownLine], None]]] = {
    "name": _Pen.name,
    "title": lambda pen, line: pen.text(line, bold=True, gap=3.0),
    "plain": lambda pen, line: pen.text(line),
    "note": lambda pen, line: pen.text(line, gap=2.0),
    "bullet": lambda pen, line: pen.text(
        ShownLine("plain", line.text, label=" " if pen.label_points else ""), indent=14, mark="•"
    ),
    "icon": lambda pen, line: pen.icon(line, len(line.text)),
    "centred": _Pen.centred,
}


def draw_pdf(shown: ShownResume, style: ResumeStyle) -> bytes:
    """Return the file."""
    _register_fonts()
    buffer = io.BytesIO()
    canvas = Canvas(buffer, pagesize=A4, invariant=1)
    _DRAWERS[style.columns](canvas, shown, style)
    canvas.save()
    return buffer.getvalue()


def _register_fonts() -> None:
    folder = Path(reportlab.__file__).parent / "fonts"
    for name in _FONTS["Vera"]:
        if name not in pdfmetrics.getRegisteredFontNames():
            pdfmetrics.registerFont(TTFont(name, str(folder / f"{name}.ttf")))


def _draw_one(canvas: Canvas, shown: ShownResume, style: ResumeStyle) -> None:
    labels = _LABEL_POINTS if style.entry.startswith("date_column") or style.contact == "table" else 0.0
    pen = _Pen(canvas, style, _MARGIN, _WIDTH - _MARGIN, _HEIGHT - _MARGIN, label_points=labels)
    if style.contact == "labels":
        pen.name(ShownLine("name", "Lebenslauf" if style.language == "de" else "Curriculum Vitae"))
        pen.write(_named(shown, style))
    else:
        pen.write(shown.head)
    pen.write(shown.contact)
    for section in SECTIONS:
        _write_section(pen, shown, style, section)


def _named(shown: ShownResume, style: ResumeStyle) -> list[ShownLine]:
    """Return the name as a field beside the others."""
    return [ShownLine("plain", f"Name: {line.text}") for line in shown.head]


def _write_section(pen: _Pen, shown: ShownResume, style: ResumeStyle, section: str) -> None:
    if lines := shown.sections[section]:
        pen.heading(heading_of(style, section))
        pen.write(lines)


def _draw_margin(canvas: Canvas, shown: ShownResume, style: ResumeStyle) -> None:
    left = _MARGIN + _LABEL_POINTS + 15
    pen = _Pen(canvas, style, left, _WIDTH - _MARGIN, _HEIGHT - _MARGIN, heading_at=_MARGIN)
    pen.write(shown.head)
    pen.write(shown.contact)
    for section in SECTIONS:
        _write_section(pen, shown, style, section)


def _draw_sidebar(canvas: Canvas, shown: ShownResume, style: ResumeStyle) -> None:
    is_left = style.columns == "left"
    is_dark = style.name.startswith("dark")
    side_left = _MARGIN - 20 if is_left else _WIDTH - _MARGIN - _SIDEBAR_POINTS + 20
    main_left = side_left + _SIDEBAR_POINTS + _GUTTER_POINTS if is_left else _MARGIN - 20
    main_right = _WIDTH - _MARGIN + 20 if is_left else side_left - _GUTTER_POINTS
    top = _HEIGHT - _MARGIN
    if is_dark:
        canvas.setFillColor("#203040")
        canvas.rect(0, 0, side_left + _SIDEBAR_POINTS + 8, _HEIGHT, stroke=0, fill=1)
    else:
        head = _Pen(canvas, style, side_left if is_left else main_left, _WIDTH - _MARGIN, top)
        head.write(shown.head)
        top = head.y - 6
    side = _Pen(
        canvas, style, side_left, side_left + _SIDEBAR_POINTS, top, ink="white" if is_dark else "black"
    )
    if is_dark:
        side.write(shown.head)
    side.heading(heading_of(style, "contact"))
    side.write(shown.contact)
    for section in SECTIONS:
        if section in SIDEBAR_SECTIONS:
            _write_section(side, shown, style, section)
    main = _Pen(canvas, style, main_left, main_right, top)
    for section in SECTIONS:
        if section not in SIDEBAR_SECTIONS:
            _write_section(main, shown, style, section)


def _draw_equal(canvas: Canvas, shown: ShownResume, style: ResumeStyle) -> None:
    middle = _WIDTH / 2
    head = _Pen(canvas, style, _MARGIN - 15, _WIDTH - _MARGIN + 15, _HEIGHT - _MARGIN)
    head.write(shown.head)
    head.write(shown.contact)
    _write_section(head, shown, style, "summary")
    left = _Pen(canvas, style, _MARGIN - 15, middle - 9, head.y - 8)
    for section in SECTIONS[1:]:
        if section != "experience":
            _write_section(left, shown, style, section)
    right = _Pen(canvas, style, middle + 9, _WIDTH - _MARGIN + 15, head.y - 8)
    _write_section(right, shown, style, "experience")


_DRAWERS: Final = {
    "one": _draw_one,
    "margin": _draw_margin,
    "left": _draw_sidebar,
    "right": _draw_sidebar,
    "equal": _draw_equal,
}
