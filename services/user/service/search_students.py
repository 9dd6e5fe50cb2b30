"""The use case of recruiters' searches for students."""

import asyncio
import random
from dataclasses import replace
from typing import Final

from chassis.errors import DomainError
from chassis.observability.logging import get_logger
from chassis.search.gazetteer import Gazetteer
from chassis.search.query_parser import QueryParser
from chassis.search.vocabulary import Vocabulary
from services.user.domain import StudentQuery, build_student_query
from services.user.domain.search import (
    STUDENT_GRAMMAR,
    StudentPage,
    StudentPageCursor,
    StudentSearchPage,
    StudentSearchRequest,
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
        """Return a page of students with all words, or with most of them if none has all."""
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
        )
        return await self._first_page_with_students(query, position, limit)

    async def _first_page_with_students(
        self, query: StudentQuery, position: StudentPageCursor | None, limit: int
    ) -> StudentSearchPage:
        words = len(query.reading.required_terms)
        most = [(words + 1) // 2, 1] if words > 1 else []
        for min_words in [position.min_words] if position else [0, *most]:
            page = await self._repository.search(
                replace(query, min_words=min_words or None),
                after=position.after if position else None,
                limit=limit,
            )
            if page.entries:
                break
        return StudentSearchPage(page, query.reading, min_words)
