"""The words of a PDF with their places, by pdfminer.six; images and drawings are never decoded."""

import io
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from pdfminer.converter import PDFLayoutAnalyzer
from pdfminer.layout import LTChar, LTContainer, LTPage
from pdfminer.pdfdocument import PDFDocument, PDFEncryptionError, PDFPasswordIncorrect
from pdfminer.pdfinterp import PDFPageInterpreter, PDFResourceManager
from pdfminer.pdfpage import PDFPage
from pdfminer.pdfparser import PDFParser
from pdfminer.pdftypes import resolve1

from services.user.domain.resumes.parsed_resume import ResumeOutcome, ResumeReadError
from services.user.domain.resumes.text import BULLET_MARK, PlacedWord

MAX_PAGES: Final = 40
MAX_CHARACTERS: Final = 120_000
MAX_LINKS_PER_PAGE: Final = 100
_MAGIC: Final = b"%PDF-"
_MAGIC_BYTES: Final = 1_024
"""Where the magic bytes have to begin, as readers of PDF do it."""
_WORD_GAP: Final = 0.15
"""The space between two words, in sizes of the letters; kerning stays below it."""
_SAME_BASELINE: Final = 0.2
_BOLD_FONTS: Final = ("bold", "black", "heavy", "semibold", "demi")
_PICTURE_FONTS: Final = ("dingbat", "wingding", "webding", "awesome", "icon", "symbol")
"""Fonts whose letters stand for pictures; the marks of items come from them as well."""


@dataclass(frozen=True, slots=True)
class PdfWords:
    """The words of each page, in the order in which they were drawn, and the addresses behind links."""

    pages: tuple[tuple[PlacedWord, ...], ...]
    link_targets: tuple[str, ...]


def read_pdf(content: bytes) -> PdfWords:
    """Return the words. Raises ResumeReadError, and pdfminer's own errors for a broken file."""
    if _MAGIC not in content[: _MAGIC_BYTES + len(_MAGIC)]:
        raise ResumeReadError(ResumeOutcome.UNREADABLE)
    try:
        document = PDFDocument(PDFParser(io.BytesIO(content)))
    except (PDFPasswordIncorrect, PDFEncryptionError) as error:
        raise ResumeReadError(ResumeOutcome.ENCRYPTED) from error
    resources = PDFResourceManager()
    collector = _WordCollector(resources)
    interpreter = PDFPageInterpreter(resources, collector)
    targets: list[str] = []
    for page in _pages_of(document):
        interpreter.process_page(page)
        targets.extend(_link_targets(page))
    if not collector.pages:
        raise ResumeReadError(ResumeOutcome.UNREADABLE)
    return PdfWords(tuple(map(tuple, collector.pages)), tuple(dict.fromkeys(targets)))


def _pages_of(document: PDFDocument) -> Iterator[PDFPage]:
    for number, page in enumerate(PDFPage.create_pages(document), 1):
        if number > MAX_PAGES:
            raise ResumeReadError(ResumeOutcome.TOO_LARGE)
        yield page


class _WordCollector(PDFLayoutAnalyzer):
    """Collects the words of each page."""

    def __init__(self, resources: PDFResourceManager) -> None:
        super().__init__(resources, laparams=None)
        self.pages: list[list[PlacedWord]] = []
        self._characters = 0

    def render_char(self, *args: Any) -> float:
        """Add a letter. Raises ResumeReadError TOO_LARGE."""
        self._characters += 1
        if self._characters > MAX_CHARACTERS:
            raise ResumeReadError(ResumeOutcome.TOO_LARGE)
        return super().render_char(*args)

    def render_image(self, *args: Any) -> None:
        """Leave images out."""

    def paint_path(self, *args: Any, **options: Any) -> None:
        """Leave drawings out."""

    def receive_layout(self, ltpage: LTPage) -> None:
        """Take the words of a page that is complete."""
        self.pages.append(list(_words_of(_characters_of(ltpage), ltpage)))


def _characters_of(container: LTContainer[Any]) -> Iterator[LTChar]:
    """Yield the letters of the page and of the forms in it, in the order in which they were drawn."""
    pending: list[Iterator[Any]] = [iter(container)]
    while pending:
        for item in pending[-1]:
            if isinstance(item, LTContainer):
                pending.append(iter(item))
                break
            if isinstance(item, LTChar):
                yield item
        else:
            pending.pop()


def _words_of(characters: Iterable[LTChar], page: LTPage) -> Iterator[PlacedWord]:
    word: list[LTChar] = []
    for character in characters:
        is_visible = (
            character.upright and page.x0 <= character.x0 <= page.x1 and page.y0 <= character.y0 <= page.y1
        )
        if not is_visible or character.get_text().isspace():
            yield from _finish(word, page)
            word = []
        elif word and not _continues(word[-1], character):
            yield from _finish(word, page)
            word = [character]
        else:
            word.append(character)
    yield from _finish(word, page)


def _continues(before: LTChar, character: LTChar) -> bool:
    size = max(before.size, character.size, 1.0)
    gap = character.x0 - before.x1
    return (
        abs(_baseline(before) - _baseline(character)) < _SAME_BASELINE * size
        and -size / 2 < gap < _WORD_GAP * size
    )


def _finish(word: list[LTChar], page: LTPage) -> Iterator[PlacedWord]:
    text = "".join(map(_letter_of, word)).replace("\x00", "")
    if text.strip():
        yield PlacedWord(
            text,
            left=word[0].x0,
            right=word[-1].x1,
            baseline=page.y1 - _baseline(word[0]),
            size=round(word[0].size, 1),
            is_bold=_is_font_of(word[0], _BOLD_FONTS),
        )


def _letter_of(character: LTChar) -> str:
    return BULLET_MARK if _is_font_of(character, _PICTURE_FONTS) else character.get_text()


def _baseline(character: LTChar) -> float:
    return float(character.matrix[5])


def _is_font_of(character: LTChar, names: tuple[str, ...]) -> bool:
    font = character.fontname.lower()
    return any(name in font for name in names)


def _link_targets(page: PDFPage) -> Iterator[str]:
    """Yield the addresses behind the page's links."""
    annotations = resolve1(page.annots)
    for each in (annotations if isinstance(annotations, list) else [])[:MAX_LINKS_PER_PAGE]:
        annotation = resolve1(each)
        action = resolve1(annotation.get("A")) if isinstance(annotation, dict) else None
        address = resolve1(action.get("URI")) if isinstance(action, dict) else None
        if isinstance(address, bytes):
            yield address.decode("utf-8", "replace")
