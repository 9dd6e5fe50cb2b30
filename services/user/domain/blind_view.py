"""The blind view: a student without name, links, school, and words that tell the gender.

A profile holds no photo. Texts stay, without the words that give the person away: parts of the name, schools,
addresses on the web and of mail, and words that are coded for a gender in English and German. Hints that only
the sense of a text gives are left.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import Final

from chassis.search.text_analysis import STOPWORDS, Token, compose_nfc, tokenize
from services.user.domain.profile import (
    Education,
    Experience,
    Location,
    ProfileCertificate,
    Project,
    Student,
)
from services.user.domain.search import StudentEntry
from services.user.domain.visible_student import VisibleStudent

HIDDEN_TEXT: Final = "…"
_ADDRESS: Final = re.compile(r"(?:https?://|www\.)\S+|\S+@\S+", re.IGNORECASE)
_SEVERAL_HIDDEN: Final = re.compile(rf"{HIDDEN_TEXT}(?:[\s.]*{HIDDEN_TEXT})+")
_GENDERED_TEXT: Final = """
he him his himself she her hers herself mr mrs ms miss sir madam man men woman women male female boy boys girl
girls gentleman gentlemen lady ladies husband wife father mother son daughter brother sister businessman
businesswoman chairman chairwoman salesman saleswoman fraternity sorority
mann manner frau frauen herr herrn mannlich weiblich junge madchen dame damen vater mutter sohn tochter bruder
schwester ehemann ehefrau kaufmann kauffrau
"""
_GENDERED: Final = frozenset(_GENDERED_TEXT.split())
_GERMAN_FEMININE: Final = re.compile(r"\w{3,}(?:er|ent|ant|ist|or|oge|at|it|ik|kund)in(?:nen)?")
"""Words such as `studentin`, `praktikantin` and `entwicklerinnen`, folded."""
_NOT_FEMININE: Final = frozenset({"gelatin", "keratin", "chromatin", "creatin", "kreatin"})
"""Words that end like these and are none."""


def blind_visible_student(student: VisibleStudent) -> VisibleStudent:
    """Return the student without what tells who they are."""
    return replace(
        student,
        name="",
        profile=blind_profile(student.name, student.profile),
        verified_school="",
        blind=True,
    )


def blind_entry(entry: StudentEntry) -> StudentEntry:
    """Return the card of a search result without what tells who the student is."""
    mask = _TextMask(entry.name, (each.institution for each in entry.education))
    return replace(
        entry,
        name="",
        headline=mask.hide(entry.headline),
        location=_blind_location(entry.location),
        skills=tuple(replace(each, name=mask.hide_addresses(each.name)) for each in entry.skills),
        education=tuple(_blind_education(each, mask) for each in entry.education),
    )


def blind_profile(name: str, student: Student) -> Student:
    """Return the student's part without what tells who they are."""
    mask = _TextMask(name, (each.institution for each in student.education))
    return replace(
        student,
        headline=mask.hide(student.headline),
        summary=mask.hide(student.summary),
        location=_blind_location(student.location),
        links=(),
        education=tuple(_blind_education(each, mask) for each in student.education),
        experience=tuple(map(partial(_blind_experience, mask=mask), student.experience)),
        projects=tuple(map(partial(_blind_project, mask=mask), student.projects)),
        skills=tuple(replace(each, name=mask.hide_addresses(each.name)) for each in student.skills),
        certificates=tuple(map(partial(_blind_certificate, mask=mask), student.certificates)),
    )


def blind_texts(name: str, student: Student, texts: Iterable[str]) -> list[str]:
    """Return other texts of the student without the words that tell who wrote them."""
    mask = _TextMask(name, (each.institution for each in student.education))
    return list(map(mask.hide, texts))


class _TextMask:
    """Hides words of one student's texts."""

    def __init__(self, name: str, schools: Iterable[str]) -> None:
        known = list(map(_tokens_of, (each for each in schools if each)))
        self._words = {token.folded for token in _tokens_of(name)} - STOPWORDS
        self._words |= {token.folded for school in known for token in school if _is_abbreviation(token)}
        by_words = {tuple(token.folded for token in school) for school in known if school}
        self._schools_by_word = defaultdict[str, list[tuple[str, ...]]](list)
        for words in sorted(by_words, key=len, reverse=True):
            self._schools_by_word[words[0]].append(words)

    def hide(self, text: str) -> str:
        """Return the text without the words that tell who wrote it."""
        bare = compose_nfc(self.hide_addresses(text))
        parts, at = [], 0
        for start, end in self._hidden_spans(tokenize(bare)):
            parts += [bare[at:start], HIDDEN_TEXT]
            at = end
        return _SEVERAL_HIDDEN.sub(HIDDEN_TEXT, "".join([*parts, bare[at:]]))

    def hide_addresses(self, text: str) -> str:
        """Return the text without addresses on the web and of mail."""
        return _ADDRESS.sub(HIDDEN_TEXT, text)

    def _hidden_spans(self, tokens: list[Token]) -> Iterator[tuple[int, int]]:
        number = 0
        while number < len(tokens):
            length = self._school_length(tokens, number) or self._is_hidden(tokens[number])
            if length:
                yield tokens[number].start, tokens[number + length - 1].end
            number += length or 1

    def _school_length(self, tokens: list[Token], at: int) -> int:
        """Return the number of words of the longest school that begins here; 0 when none does."""
        candidates = self._schools_by_word.get(tokens[at].folded, ())
        return next((len(words) for words in candidates if _begins_with(tokens, at, words)), 0)

    def _is_hidden(self, token: Token) -> bool:
        return token.folded in self._words or is_gendered(token.folded)


def _begins_with(tokens: Sequence[Token], at: int, words: Sequence[str]) -> bool:
    return len(tokens) - at >= len(words) and all(
        tokens[at + number].folded == word for number, word in enumerate(words)
    )


def is_gendered(word: str) -> bool:
    """Return whether a folded word is coded for a gender, in English or German."""
    return word in _GENDERED or (word not in _NOT_FEMININE and _GERMAN_FEMININE.fullmatch(word) is not None)


def _tokens_of(text: str) -> list[Token]:
    return tokenize(compose_nfc(text))


def _is_abbreviation(token: Token) -> bool:
    return len(token.text) > 1 and token.text.isupper()


def _blind_location(location: Location | None) -> Location | None:
    return None if location is None else replace(location, lat=None, lng=None)


def _blind_education(education: Education, mask: _TextMask) -> Education:
    return replace(
        education, institution="", area=mask.hide(education.area), degree=mask.hide(education.degree)
    )


def _blind_experience(experience: Experience, mask: _TextMask) -> Experience:
    return replace(
        experience,
        organisation=mask.hide(experience.organisation),
        position=mask.hide(experience.position),
        summary=mask.hide(experience.summary),
    )


def _blind_project(project: Project, mask: _TextMask) -> Project:
    return replace(
        project,
        name=mask.hide(project.name),
        url="",
        summary=mask.hide(project.summary),
        keywords=tuple(map(mask.hide, project.keywords)),
    )


def _blind_certificate(certificate: ProfileCertificate, mask: _TextMask) -> ProfileCertificate:
    return replace(
        certificate, name=mask.hide(certificate.name), issuer=mask.hide(certificate.issuer), url=""
    )
