"""The use case of recruiters' searches for students."""

import asyncio
import random
from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from chassis.errors import DomainError, invalid_argument
from chassis.observability.logging import get_logger
from chassis.search.gazetteer import Gazetteer
from chassis.search.query_parser import ParsedQuery, QueryParser
from chassis.search.totals import TotalEstimate
from chassis.search.vocabulary import Vocabulary
from services.user.domain import StudentQuery, build_student_query
from services.user.domain.blind_view import blind_entry
from services.user.domain.search import (
    NO_WORDS,
    STUDENT_GRAMMAR,
    WORDLESS,
    StudentPage,
    StudentPageCursor,
    StudentSearchPage,
    StudentSearchRequest,
    check_student_request,
)
from services.user.repository import ProfileRepository

READ_WORDS_INTERVAL_S: Final = 600.0

_log = get_logger()


class SearchStudents:
    """Searches students who are visible to recruiters."""

    def __init__(self, repository: ProfileRepository, places: Gazetteer) -> None:
        self._repository = repository
        self._places = places
        self._vocabulary = Vocabulary()

    async def load_vocabulary(self) -> None:
        """Load the words of students, by which unfinished and misspelt ones are completed."""
        self._vocabulary = Vocabulary(*await self._repository.count_words())

    async def keep_fresh(self) -> None:
        """Load the vocabulary periodically, until cancelled."""
        while True:
            try:
                await self.load_vocabulary()
            except DomainError as error:
                _log.warning("student_words_stale", error=str(error))
            await asyncio.sleep(READ_WORDS_INTERVAL_S * random.uniform(0.9, 1.1))  # noqa: S311

    async def search(
        self, request: StudentSearchRequest, position: StudentPageCursor | None, limit: int
    ) -> StudentSearchPage:
        """Return a page of students with all words, or with most of them if none has all.

        In a blind search the page holds what a blind view shows. Raises INVALID_FIELD with all violations.
        """
        if violations := check_student_request(request):
            raise invalid_argument(*violations)
        found = await self._search(request, position, limit)
        if not request.is_blind:
            return found
        return replace(found, page=replace(found.page, entries=list(map(blind_entry, found.page.entries))))

    async def _search(
        self, request: StudentSearchRequest, position: StudentPageCursor | None, limit: int
    ) -> StudentSearchPage:
        taken = {"city": request.city, "country": request.country}
        reading = QueryParser(STUDENT_GRAMMAR, self._vocabulary, self._places).parse(
            request.text,
            pinned_weights=position.weights if position else (),
            set_filters=frozenset(name for name, value in taken.items() if value),
            is_literal=request.is_literal,
        )
        if reading.is_empty:
            return StudentSearchPage(StudentPage([], has_more=False, missing=[]), reading)
        query = build_student_query(
            company_id=request.company_id,
            places=self._places,
            reading=reading,
            skills=request.skills,
            city=request.city,
            country=request.country,
            school=request.school,
            field_of_study=request.field_of_study,
            graduation=request.graduation,
        )
        page = await self._first_page_with_students(query, position, limit)
        is_corrected = page.page.entries and page.min_words != WORDLESS
        return page if is_corrected else replace(page, reading=replace(reading, did_you_mean=""))

    async def _first_page_with_students(
        self, query: StudentQuery, position: StudentPageCursor | None, limit: int
    ) -> StudentSearchPage:
        for min_words in [position.min_words] if position else _fallback_min_words(query.reading):
            narrowed = _with_min_words(query, min_words)
            page = await self._repository.search(
                narrowed, after=position.after if position else None, limit=limit
            )
            if page.entries:
                break
        total = position.total if position else await self._total(narrowed, page)
        return StudentSearchPage(page, query.reading, min_words, total)

    async def _total(self, query: StudentQuery, page: StudentPage) -> TotalEstimate:
        """Return the total of the first page: its size, if it holds all there are; else count."""
        if not page.has_more:
            return TotalEstimate(len(page.entries), bool(page.missing))
        return await self._repository.estimate_total(query, self._vocabulary.document_count)


def _fallback_min_words(reading: ParsedQuery) -> Iterator[int]:
    """Yield how many words have to match, until somebody is found: all, most, any, none.

    None only beside words that every student means.
    """
    words = len(reading.required_terms)
    yield 0
    if words > 1:
        yield from ((words + 1) // 2, 1)
    if words and reading.has_implied_words:
        yield WORDLESS


def _with_min_words(query: StudentQuery, min_words: int) -> StudentQuery:
    if min_words == WORDLESS:
        return replace(query, reading=NO_WORDS)
    return replace(query, min_words=min_words or None)
