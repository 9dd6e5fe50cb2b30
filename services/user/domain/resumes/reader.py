"""Reading a résumé: its text to a draft, by rules."""

from collections.abc import Sequence
from typing import Final

from chassis.search.gazetteer import Gazetteer
from services.user.domain.profile import Language
from services.user.domain.resumes.contacts import read_email, read_links, read_name, read_phone, read_place
from services.user.domain.resumes.education import read_education
from services.user.domain.resumes.experience import read_experience
from services.user.domain.resumes.headings import SectionKind
from services.user.domain.resumes.languages import is_language, read_languages
from services.user.domain.resumes.parsed_resume import (
    ParsedResume,
    ReadValue,
    ResumeOutcome,
    ResumeReadError,
)
from services.user.domain.resumes.sections import ResumeSection, lines_of, split_sections
from services.user.domain.resumes.skills import read_skills
from services.user.domain.resumes.text import ResumeText, TextLine, join_lines, without_bullet

MIN_LETTERS: Final = 20
"""Letters below which a document counts as one without text, as a scanned page has none."""
MIN_SUMMARY_WORDS: Final = 8
MAX_LINES: Final = 4_000
_CONTACT_SECTIONS: Final = (SectionKind.LOOSE, SectionKind.CONTACT)
_GERMAN: Final = frozenset(
    [
        "und",
        "der",
        "die",
        "das",
        "für",
        "mit",
        "bei",
        "im",
        "von",
        "zur",
        "als",
        "lebenslauf",
        "kenntnisse",
        "ausbildung",
        "heute",
        "studium",
        "sprachen",
    ]
)


def read_resume(text: ResumeText, places: Gazetteer) -> ParsedResume:
    """Return all that the text says of its owner. Raises ResumeReadError NO_TEXT or TOO_LARGE."""
    if sum(map(str.isalpha, "".join(line.text for line in text.lines))) < MIN_LETTERS:
        raise ResumeReadError(ResumeOutcome.NO_TEXT)
    if len(text.lines) > MAX_LINES:
        raise ResumeReadError(ResumeOutcome.TOO_LARGE)
    sections = split_sections(text.lines)
    contact = lines_of(sections, *_CONTACT_SECTIONS)
    seen = frozenset(contact)
    others = tuple(line for line in text.lines if line not in seen)
    email = read_email(contact, text.link_targets) or read_email(others, ())
    location = read_place(contact, places)
    regions = [
        region for region in (location.value.country if location else "", _home_region(text.lines)) if region
    ]
    return ParsedResume(
        name=read_name(contact, email.value if email else "", places),
        email=email,
        phone=read_phone(contact, regions) or read_phone(others, regions),
        location=location,
        summary=_read_summary(sections),
        links=read_links(contact, text.link_targets),
        education=read_education(lines_of(sections, SectionKind.EDUCATION), places),
        experience=read_experience(lines_of(sections, SectionKind.EXPERIENCE), places),
        skills=read_skills(lines_of(sections, SectionKind.SKILLS)),
        languages=_read_all_languages(sections),
    )


def _read_summary(sections: Sequence[ResumeSection]) -> ReadValue[str] | None:
    """Return the text of its section, otherwise a paragraph at the head of the page."""
    written = [without_bullet(line.text) for line in lines_of(sections, SectionKind.SUMMARY)]
    if written:
        text = join_lines(written)
        return ReadValue(text, 0.9 if len(text.split()) >= MIN_SUMMARY_WORDS else 0.6, text)
    head = sections[0].lines if sections and sections[0].kind is SectionKind.LOOSE else ()
    prose = [
        line.text for line in head if len(line.text.split()) >= MIN_SUMMARY_WORDS and "@" not in line.text
    ]
    return ReadValue(join_lines(prose), 0.5, join_lines(prose)) if prose else None


def _read_all_languages(sections: Sequence[ResumeSection]) -> tuple[ReadValue[Language], ...]:
    """Return the languages of their section, otherwise those that stand among skills and personal data."""
    if found := read_languages(lines_of(sections, SectionKind.LANGUAGES)):
        return found
    others = lines_of(sections, SectionKind.SKILLS, *_CONTACT_SECTIONS, SectionKind.OTHER)
    return read_languages([line for line in others if _names_languages(line)])


def _names_languages(line: TextLine) -> bool:
    return any(map(is_language, without_bullet(line.text).replace(":", ",").split(",")))


def _home_region(lines: Sequence[TextLine]) -> str:
    """Return the region that the document's language suggests for phone numbers."""
    words = [word.strip(".,:") for line in lines for word in line.text.lower().split()]
    return "DE" if sum(word in _GERMAN for word in words) * 30 > len(words) else ""
