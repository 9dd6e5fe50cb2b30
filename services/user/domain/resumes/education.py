"""Entries on education: school, subject, degree, period and grade."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from chassis.search.gazetteer import Gazetteer
from services.user.domain.profile import Education
from services.user.domain.resumes.entries import ResumeEntry, head_pieces, split_brackets, split_entries
from services.user.domain.resumes.parsed_resume import ReadValue
from services.user.domain.resumes.places import is_place
from services.user.domain.resumes.text import TextLine
from services.user.domain.resumes.vocabulary import DEGREE, SCORE, names_school

_AREA_PREFIX: Final = re.compile(
    r"^(?:(?:degree|candidate|student|studies|studium|studiengang|bachelorstudium|masterstudium|major|fach|schwerpunkt|hons?|honours)\b[:,]?\s*)*"
    r"(?:(?:in|of|der|des|im\s+fach|im\s+studiengang|zum|zur|als|with\s+a\s+major\s+in|-|–|,|:)\s+)*",
    re.IGNORECASE,
)
_AREA_SUFFIX: Final = re.compile(r"(?:\s+(?:at|an\s+der|from|studies\s+at))$", re.IGNORECASE)
_LEADING_LABEL: Final = re.compile(
    r"^(?:major|minor|studiengang|fach|schwerpunkt|abschluss|degree|focus|field of study)\s*(?::\s*|$)",
    re.IGNORECASE,
)
_DETAIL: Final = re.compile(
    r"^(?:thesis|relevant|modules|coursework|courses|focus|abschlussarbeit|bachelorarbeit|masterarbeit|schwerpunkte|"
    r"module|vertiefung|leistungskurse|subjects|activities|dissertation)\b",
    re.IGNORECASE,
)
_BRACKETED_SCORE: Final = re.compile(r"\s*\((\d[.,]\d{1,2})\)")
_AT_SCHOOL: Final = re.compile(r"\s+(?:an der|am|at the|from|at)\s+", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class _Degree:
    name: str
    area: str


def read_education(lines: Sequence[TextLine], places: Gazetteer) -> tuple[ReadValue[Education], ...]:
    """Return the entries of the section, in its order."""
    found = (_read_entry(entry, places) for entry in split_entries(lines))
    return tuple(entry for entry in found if entry is not None)


def _read_entry(entry: ResumeEntry, places: Gazetteer) -> ReadValue[Education] | None:
    score = _read_score(entry)
    pieces = [piece for piece in map(_without_score, _school_pieces(entry)) if piece]
    pieces = [piece for piece in pieces if not is_place(piece, places) and not _DETAIL.match(piece)]
    school, certainty = _choose_school(pieces, places)
    others = [piece for piece in pieces if piece != school]
    degree = _read_degree(others)
    if not school and not degree.name:
        return None
    area = degree.area or next((_tidy_area(piece) for piece in others if not DEGREE.search(piece)), "")
    institution = _without_place(school, places) or degree.name
    period = entry.period
    parts = {
        "institution": certainty if school else 0.2,
        "degree": 0.9 if degree.name else 0.0,
        "area": (0.85 if degree.area else 0.5) if area else 0.0,
        "start": 0.9 if period and period.start else 0.0,
        "end": 0.9 if period and period.end else 0.0,
        "score": 0.9 if score else 0.0,
    }
    value = Education(
        institution, area, degree.name, period.start if period else "", period.end if period else "", score
    )
    weight = parts["institution"] * (1.0 if degree.name else 0.8) * (1.0 if period else 0.7)
    return ReadValue(
        value, round(weight, 2), entry.source, {name: part for name, part in parts.items() if part}
    )


def _school_pieces(entry: ResumeEntry) -> list[str]:
    """Return the head's parts, `degree at school` and `degree, school` divided."""
    pieces: list[str] = []
    for piece in head_pieces(entry):
        if DEGREE.search(piece) and names_school(piece):
            pieces.extend(_divide(piece))
        else:
            pieces.append(piece)
    return pieces


def _divide(piece: str) -> list[str]:
    at_school = _AT_SCHOOL.split(piece)
    if len(at_school) == 2 and names_school(at_school[1]):
        return at_school
    commas = piece.split(", ")
    schools = [at for at, part in enumerate(commas) if names_school(part) and not DEGREE.search(part)]
    if not schools:
        return [piece]
    at = schools[0]
    before, after = ", ".join(commas[:at]), ", ".join(commas[at + 1 :])
    return [part for part in (before, commas[at], after) if part]


def _choose_school(pieces: Sequence[str], places: Gazetteer) -> tuple[str, float]:
    named = [piece for piece in pieces if names_school(piece) and not _is_degree(piece)]
    if named:
        return named[0], 0.95
    plain = [piece for piece in pieces if not DEGREE.search(piece)]
    return (plain[0], 0.5) if plain else ("", 0.0)


def _is_degree(piece: str) -> bool:
    """Return whether the text is a degree, with its subject at most."""
    found = DEGREE.search(piece)
    return found is not None and (found.start() == 0 or not names_school(DEGREE.sub("", piece)))


def _without_place(school: str, places: Gazetteer) -> str:
    """Return the school without the city that follows its name after a comma or in brackets."""
    bare, brackets = split_brackets(school)
    if brackets and not all(is_place(found, places) for found in brackets):
        bare = school
    name, comma, rest = bare.partition(", ")
    return name if comma and is_place(rest, places) else bare


def _read_degree(pieces: Sequence[str]) -> _Degree:
    for piece in pieces:
        found = DEGREE.search(piece)
        if found:
            return _Degree(_tidy_degree(found[0]), _tidy_area(_area_beside(piece, found)))
    return _Degree("", "")


def _area_beside(piece: str, degree: re.Match[str]) -> str:
    after = piece[degree.end() :]
    bare_after = re.sub(r"^\s*[(\[][^)\]]*[)\]]", "", after) if DEGREE.search(after) else after
    if bare_after.strip(" .,;:()[]–—-"):
        return bare_after
    return piece[: degree.start()]


def _tidy_degree(text: str) -> str:
    return text.strip()


def _tidy_area(text: str) -> str:
    tidy = _LEADING_LABEL.sub("", text.strip(" .,;:()[]–—-"))
    tidy = _AREA_SUFFIX.sub("", _AREA_PREFIX.sub("", tidy))
    return tidy.strip(" .,;:()[]–—-")


def _read_score(entry: ResumeEntry) -> str:
    for line in (*entry.head, *entry.body):
        found = SCORE.search(line.text)
        if found:
            return next(value for value in found.groups() if value).strip()
    bracketed = (_BRACKETED_SCORE.search(line.text) for line in entry.head)
    return next((found[1] for found in bracketed if found), "")


def _without_score(piece: str) -> str:
    piece = _BRACKETED_SCORE.sub("", piece)
    return SCORE.sub("", piece).strip(" ,;:()|–—-") if SCORE.search(piece) else piece
