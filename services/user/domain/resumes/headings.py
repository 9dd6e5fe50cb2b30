"""Headings of a résumé's sections, in English and German."""

import re
from enum import StrEnum
from typing import Final

from chassis.text import fold_for_comparison
from services.user.domain.resumes.dates import is_date_only
from services.user.domain.resumes.text import CELL_BREAK

MAX_HEADING_WORDS: Final = 6
MAX_HEADING_CHARS: Final = 48


class SectionKind(StrEnum):
    """The section's subject; LOOSE is text without a heading, such as the head of the first page."""

    LOOSE = "LOOSE"
    CONTACT = "CONTACT"
    SUMMARY = "SUMMARY"
    EDUCATION = "EDUCATION"
    EXPERIENCE = "EXPERIENCE"
    PROJECTS = "PROJECTS"
    SKILLS = "SKILLS"
    LANGUAGES = "LANGUAGES"
    CERTIFICATES = "CERTIFICATES"
    OTHER = "OTHER"


_PHRASES: Final = {
    SectionKind.CONTACT: (
        "contact; contacts; contact details; contact information; contact me; get in touch; personal details;"
        "personal information; personal data; details; links; online; web; find me online;"
        "kontakt; kontaktdaten; persönliche daten; persönliche angaben; angaben zur person; zur person;"
        "personalien; anschrift; erreichbarkeit; personal"
    ),
    SectionKind.SUMMARY: (
        "summary; professional summary; profile; personal profile; about; about me; objective; career objective;"
        "career goal; personal statement; who i am; introduction; overview;"
        "profil; kurzprofil; über mich; zusammenfassung; persönliches profil; zu mir; berufsziel; ziel; kurzvorstellung"
    ),
    SectionKind.EDUCATION: (
        "education; academic background; academic history; academics; educational background; studies; qualifications;"
        "academic qualifications; schooling; degrees; university; school; academic career; education history;"
        "bildung; ausbildung; bildungsweg; bildungsgang; studium; schulbildung; akademischer werdegang; schule;"
        "akademische ausbildung; hochschulbildung; schulische ausbildung; schulischer werdegang; schullaufbahn;"
        "universität; akademische laufbahn; ausbildungsweg"
    ),
    SectionKind.EXPERIENCE: (
        "experience; work experience; professional experience; employment; employment history; work history;"
        "work; career; career history; internships; internship experience; industry experience; jobs; positions;"
        "practical experience; positions held; professional background; professional history;"
        "berufserfahrung; praxiserfahrung; praktika; werdegang; beruflicher werdegang; berufspraxis; erfahrung;"
        "erfahrungen; praktische erfahrung; praktische erfahrungen; arbeitserfahrung; berufliche erfahrung;"
        "berufliche erfahrungen; tätigkeiten; berufliche tätigkeiten; nebenjobs; praktikum; berufliche stationen;"
        "stationen; praxis; nebentätigkeiten; berufsweg; beruflicher hintergrund"
    ),
    SectionKind.PROJECTS: (
        "projects; personal projects; selected projects; side projects; academic projects; university projects;"
        "portfolio; projekte; eigene projekte; studienprojekte; projekterfahrung; private projekte"
    ),
    SectionKind.SKILLS: (
        "skills; technologies; competencies; competences; core competencies; tools; expertise; strengths; abilities;"
        "tech stack; technical stack; toolbox; toolkit; areas of expertise; computer skills; it skills; know-how;"
        "programming; software; it; programming skills; capabilities; proficiencies; hard skills; soft skills;"
        "kenntnisse; fähigkeiten; kompetenzen; fertigkeiten; technologien; werkzeuge; stärken; programmierung;"
        "edv; qualifikationen; it-kenntnisse; edv-kenntnisse; kernkompetenzen; methoden"
    ),
    SectionKind.LANGUAGES: (
        "languages; language skills; spoken languages; foreign languages; language; language proficiency;"
        "sprachen; sprachkenntnisse; fremdsprachen; fremdsprachenkenntnisse; sprachliche kenntnisse; sprache"
    ),
    SectionKind.CERTIFICATES: (
        "certificates; certifications; certification; courses; licences; licenses; training; trainings;"
        "continuing education; coursework; relevant coursework; online courses; workshops; professional development;"
        "zertifikate; zertifizierungen; weiterbildung; weiterbildungen; fortbildungen; kurse; fortbildung; seminare"
    ),
    SectionKind.OTHER: (
        "interests; hobbies; awards; honours; honors; publications; references; volunteering; volunteer work;"
        "volunteer experience; volunteer; activities; achievements; extracurricular activities; extracurriculars;"
        "scholarships; memberships; leadership; community; miscellaneous; prizes; extra; publication; conferences;"
        "societies; accomplishments; engagements; talks; hobbies and interests; additional information; other;"
        "interessen; hobbys; hobbies; auszeichnungen; engagement; ehrenamt; ehrenamtliches engagement; freizeit;"
        "ehrenamtliche tätigkeiten; ehrenamtliche tätigkeit; stipendien; referenzen; veröffentlichungen; sonstiges;"
        "mitgliedschaften; soziales engagement; preise; freiwilligenarbeit; publikationen; vereine; zusätzliches;"
        "außerschulisches; außeruniversitäres engagement; auslandsaufenthalte; führerschein; persönliches"
    ),
}
_KINDS: Final = {
    fold_for_comparison(phrase): kind for kind, phrases in _PHRASES.items() for phrase in phrases.split(";")
}
_SPACELESS_KINDS: Final = {
    phrase.replace(" ", ""): kind for phrase, kind in _KINDS.items() if len(phrase) > 3
}
_ENDINGS: Final = (
    ("sprachkenntnisse", SectionKind.LANGUAGES),
    ("kenntnisse", SectionKind.SKILLS),
    ("fähigkeiten", SectionKind.SKILLS),
    ("kompetenzen", SectionKind.SKILLS),
    ("erfahrungen", SectionKind.EXPERIENCE),
    ("erfahrung", SectionKind.EXPERIENCE),
    ("ausbildung", SectionKind.EDUCATION),
    ("projekte", SectionKind.PROJECTS),
    ("zertifikate", SectionKind.CERTIFICATES),
)
_QUALIFIERS: Final = frozenset(
    "my relevant professional technical academic key core personal selected additional other further recent main "
    "digital practical general current previous important special the "
    "meine mein weitere sonstige berufliche beruflicher akademische akademischer praktische relevante besondere "
    "fachliche technische persönliche ausgewählte wichtige digitale zusätzliche bisherige".split()
)
"""Words that say nothing of the subject."""
_CONJUNCTION: Final = re.compile(r"\s*(?:&|\+|/|,|\band\b|\bund\b|\bsowie\b|\b(?:in|of)\b)\s*")
_NUMBERING: Final = re.compile(r"^(?:[IVX]{1,4}|\d{1,2}|[A-H])[.)]\s+")
_TRIMMED: Final = " :.·•|_-–—=~*#<>[]()"
_FIELD_LABELS: Final = re.compile(
    r"(?:full |first |last |vor- und nach|vor|nach|familien)?name|tel(?:efon|ephone|\.)?(?:nummer)?|phone(?: number)?"
    r"|mobil(?:e|telefon|nummer)?|handy(?:nummer)?|e-?mail(?:[- ]?adresse| address)?|mail|address|adresse|anschrift"
    r"|wohnort|wohnhaft(?: in)?|ort|city|location|based in|residence|web(?:site|seite)?|homepage|portfolio|blog"
    r"|linkedin|github|gitlab|xing|geburtsdatum|geburtsort|geboren(?: am)?|geburtstag(?: und -ort)?"
    r"|date of birth|born|nationality|staatsangehörigkeit|staatsbürgerschaft|familienstand|marital status|links?"
    r"|driving licence|führerschein(?:klasse)?|visa(?: status)?|cell|fon|internet|url",
    re.IGNORECASE,
)


def heading_kind(text: str) -> SectionKind | None:
    """Return the kind of section that the text is the heading of; None when it is no heading that we know."""
    bare = _NUMBERING.sub("", text.strip(_TRIMMED)).strip(_TRIMMED)
    if not bare or len(bare) > MAX_HEADING_CHARS:
        return None
    key = fold_for_comparison(bare)
    if known := _KINDS.get(key) or _SPACELESS_KINDS.get(key.replace(" ", "")):
        return known
    if len(bare.split()) > MAX_HEADING_WORDS:
        return None
    parts = [part for part in _CONJUNCTION.split(key) if part]
    kinds = [kind for kind in map(_part_kind, parts) if kind]
    return (
        kinds[0] if kinds and len(kinds) == len([part for part in parts if part not in _QUALIFIERS]) else None
    )


def _part_kind(part: str) -> SectionKind | None:
    words = [word for word in part.split() if word not in _QUALIFIERS]
    phrase = " ".join(words)
    if phrase in _KINDS:
        return _KINDS[phrase]
    if len(words) == 1:
        return next((kind for ending, kind in _ENDINGS if words[0].endswith(ending)), None)
    return None


def split_label(text: str) -> tuple[str, str]:
    """Return the label before a colon or a cell break, and the rest; "" and the text when there is none."""
    label, mark, rest = text.partition(CELL_BREAK)
    if not mark:
        label, mark, rest = text.partition(":")
        if rest.startswith("//"):
            return "", text
    if not mark or len(label) > MAX_HEADING_CHARS or len(label.split()) > MAX_HEADING_WORDS:
        return "", text
    return label.strip(_TRIMMED), rest.strip()


def is_field_label(text: str) -> bool:
    """Return whether the text names a datum of a person, such as `Telefon` or `Date of birth`."""
    return _FIELD_LABELS.fullmatch(text.strip(_TRIMMED)) is not None


def is_margin_label(text: str) -> bool:
    """Return whether the text labels the text to its right: a heading, a date or period, or a name of a field."""
    tidy = text.strip()
    return (
        (tidy.endswith(":") and len(tidy) <= MAX_HEADING_CHARS)
        or heading_kind(tidy) is not None
        or is_field_label(tidy)
        or is_date_only(tidy)
    )
