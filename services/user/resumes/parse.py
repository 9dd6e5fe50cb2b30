"""Bytes to a parsed résumé. Hostile bytes can take any time and memory here: `sandbox` bounds them."""

from chassis.search.gazetteer import shared_gazetteer
from services.user.domain.resumes.headings import is_margin_label
from services.user.domain.resumes.layout import arrange_lines
from services.user.domain.resumes.parsed_resume import (
    ParsedResume,
    ResumeMediaType,
    ResumeOutcome,
    ResumeParsing,
    ResumeReadError,
)
from services.user.domain.resumes.reader import read_resume
from services.user.domain.resumes.text import ResumeText


def parse_resume(content: bytes, media_type: ResumeMediaType) -> ParsedResume:
    """Return the draft that the file makes. Raises ResumeReadError: it is encrypted, too large, and so on."""
    return read_resume(_read_text(content, media_type), shared_gazetteer())


def parse_to_outcome(content: bytes, media_type: ResumeMediaType) -> ResumeParsing:
    """Return the draft, or the reason for which there is none."""
    try:
        return ResumeParsing(ResumeOutcome.PARSED, parse_resume(content, media_type))
    except ResumeReadError as error:
        return ResumeParsing(error.outcome)
    except MemoryError:
        return ResumeParsing(ResumeOutcome.TOO_LARGE)


def _read_text(content: bytes, media_type: ResumeMediaType) -> ResumeText:
    try:
        if media_type is ResumeMediaType.DOCX:
            from services.user.resumes.docx_text import read_docx  # noqa: PLC0415 - a child reads one kind

            return read_docx(content)
        from services.user.resumes.pdf_text import read_pdf  # noqa: PLC0415

        found = read_pdf(content)
    except (ResumeReadError, MemoryError):
        raise
    except Exception as error:
        # The libraries have no common error: broken files raise KeyError, TypeError, RecursionError...
        raise ResumeReadError(ResumeOutcome.UNREADABLE) from error
    return ResumeText(arrange_lines(found.pages, is_margin_label), found.link_targets)
