"""The use cases: profiles, companies' pages and finding students."""

import asyncio
import logging
import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any, Final, Protocol

from pymongo.errors import PyMongoError

from chassis.call_context import Principal
from chassis.clock import Clock
from chassis.errors import DomainError, invalid_argument, not_found, stale_etag, unavailable
from chassis.messaging import IncomingEvent
from chassis.mongo.documents import format_etag
from chassis.search.gazetteer import Gazetteer
from chassis.search.query_parser import ParsedQuery, QueryParser
from chassis.search.vocabulary import Vocabulary
from chassis.sharding.shards import FoundByShard
from internshipconnect.events.v1.events_pb2 import CompanyStateChanged, CompanyUpdated, ProfileUpdated
from internshipconnect.user.v1 import user_pb2 as pb
from services.user.domain import (
    Company,
    CompanyState,
    Profile,
    ProfileKind,
    RegisteredAccount,
    StudentQuery,
    build_student_query,
    check_company,
    check_profile,
    new_profile,
    normalise_profile,
)
from services.user.domain.search import STUDENT_GRAMMAR
from services.user.repository import (
    CompanyListPage,
    CompanyRepository,
    ProfileRepository,
    RecordChange,
    StudentPage,
    StudentSortKey,
)

READ_WORDS_INTERVAL_S: Final = 600.0

log = logging.getLogger(__name__)


class ManageProfiles:
    """People's own profiles, and how others see students."""

    def __init__(self, store: ProfileRepository, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    async def get(self, caller: Principal) -> Profile:
        """The caller's profile; what the token says while the news of the registration is on its way."""
        return await self._store.find(caller.id) or _profile_of_token(caller)

    async def update(
        self, caller: Principal, edit: Callable[[Profile], Profile], *, expected_etag: str
    ) -> Profile:
        """Changes the caller's profile. Raises STALE_ETAG, or INVALID_FIELD with all violations."""

        def decide(found: Profile | None) -> RecordChange[Profile]:
            before = found or _profile_of_token(caller)
            if expected_etag and expected_etag != format_etag(before.version):
                raise stale_etag("profile", caller.id)
            edited = normalise_profile(edit(before))
            if violations := check_profile(before, edited):
                raise invalid_argument(*violations)
            return self._update(before, edited.with_student_part())

        return await self._store.change(caller.id, decide) or _profile_of_token(caller)

    async def registered(self, news: RegisteredAccount, handling: IncomingEvent) -> None:
        """Keeps what a registration says."""

        def decide(found: Profile | None) -> RecordChange[Profile]:
            before = found or new_profile(news.user_id, news.kind, news.company_id)
            change = self._update(before, before.registered(news))
            # Whoever hears of profiles hears of accounts: only a later account is news to them.
            return RecordChange(change.record) if before.account_version is None else change

        await self._store.change(news.user_id, decide, handling=handling)

    async def verified(self, user_id: str, handling: IncomingEvent) -> None:
        """Notes that an address was proven: from now on recruiters may find the student.

        Raises UNAVAILABLE while the news of the registration has not come, so that this is tried again.
        """

        def decide(found: Profile | None) -> RecordChange[Profile]:
            if found is None:
                raise unavailable(f"The profile of {user_id}")
            return RecordChange(found.verified().changed(self._clock.now()))

        await self._store.change(user_id, decide, handling=handling)

    async def student(self, student_id: str) -> Profile:
        """A student's profile as an application freezes it. Raises USER_NOT_FOUND for others than students.

        Raises UNAVAILABLE while name and address have not come.
        """
        profile = await self._store.find(student_id)
        if profile is None or profile.kind is not ProfileKind.STUDENT:
            raise not_found("USER_NOT_FOUND", "student", student_id)
        if profile.account_version is None:
            raise unavailable(f"The profile of {student_id}")
        return profile

    async def students(self, student_ids: Iterable[str]) -> FoundByShard[Profile]:
        """The same of several students; those whose name and address have not come count as unavailable."""
        profiles = await self._store.find_each(student_ids)
        students = [each for each in profiles.items if each.kind is ProfileKind.STUDENT]
        on_their_way = [each.id for each in students if each.account_version is None]
        return FoundByShard(
            items=[each for each in students if each.account_version is not None],
            unavailable_ids=[*profiles.unavailable_ids, *on_their_way],
        )

    def _update(self, before: Profile, after: Profile) -> RecordChange[Profile]:
        if after == before:
            return RecordChange()
        kept, news = after.changed(self._clock.now()), _profile_updated_event(after)
        return RecordChange(kept, events=() if news == _profile_updated_event(before) else (news,))


@dataclass(frozen=True, slots=True)
class StudentSearchRequest:
    """A search for students as it was asked for."""

    company_id: str
    text: str
    skills: tuple[str, ...]
    city: str
    country: str
    is_literal: bool


@dataclass(frozen=True, slots=True)
class StudentSearchPage:
    """A page of students, how the words were read, and how many had to match for it (0: all)."""

    page: StudentPage
    reading: ParsedQuery
    least: int = 0


class SearchStudents:
    """Finds students who let recruiters find them."""

    def __init__(self, store: ProfileRepository, places: Gazetteer) -> None:
        self._store = store
        self._places = places
        self._vocabulary = Vocabulary()

    async def read_words(self) -> None:
        """Gets to know the words that students use: what unfinished and misspelt ones may stand for."""
        self._vocabulary = Vocabulary(*await self._store.word_counts())

    async def keep_fresh(self) -> None:
        """Reads the words again and again, until it is cancelled."""
        while True:
            try:
                await self.read_words()
            except (DomainError, PyMongoError) as error:
                log.warning("student_words_stale", extra={"error": str(error)})
            await asyncio.sleep(READ_WORDS_INTERVAL_S * random.uniform(0.9, 1.1))  # noqa: S311

    async def find(
        self, wanted: StudentSearchRequest, position: "StudentPageCursor | None", limit: int
    ) -> StudentSearchPage:
        """A page of students: those with all words; those with most of them where nobody has all."""
        taken = {"city": wanted.city, "country": wanted.country}
        reading = QueryParser(STUDENT_GRAMMAR, self._vocabulary, self._places).parse(
            wanted.text,
            pinned_weights=position.weights if position else (),
            set_filters=frozenset(name for name, value in taken.items() if value),
            is_literal=wanted.is_literal,
        )
        if reading.is_empty:
            return StudentSearchPage(StudentPage([], has_more=False, missing=[]), reading)
        query = build_student_query(
            company_id=wanted.company_id,
            places=self._places,
            reading=reading,
            skills=wanted.skills,
            city=wanted.city,
            country=wanted.country,
        )
        return await self._first_found(query, position, limit)

    async def _first_found(
        self, query: StudentQuery, position: "StudentPageCursor | None", limit: int
    ) -> StudentSearchPage:
        words = len(query.reading.required_terms)
        most = [(words + 1) // 2, 1] if words > 1 else []
        for least in [position.least] if position else [0, *most]:
            page = await self._store.search(
                replace(query, least=least or None), after=position.after if position else None, limit=limit
            )
            if page.entries:
                break
        return StudentSearchPage(page, query.reading, least)


@dataclass(frozen=True, slots=True)
class StudentPageCursor:
    """Where a later page begins, and what of the first must stay as it was."""

    after: StudentSortKey
    least: int
    weights: tuple[int, ...]


class CompanyPageCache(Protocol):
    """Where companies' pages are cached."""

    async def invalidate(self, *keys: str) -> None: ...


HOW_TO_BE_VERIFIED: Final = (
    "Only members of a verified company find students. Fill in your company's page with its web address and "
    "ask the people who run this service to verify it; a person looks at it."
)


def company_cache_key(company_id: str) -> str:
    """Under which key a company's page is cached."""
    return f"company:{company_id}"


class ManageCompanies:
    """Companies' pages; a page that has changed leaves the cache."""

    def __init__(self, store: CompanyRepository, pages: CompanyPageCache, clock: Clock) -> None:
        self._store = store
        self._pages = pages
        self._clock = clock

    async def find(self, company_id: str) -> Company | None:
        """Any company's page."""
        return await self._store.find(company_id)

    async def get_own(self, caller: Principal) -> Company:
        """The caller's company; an empty page while the news of its registration is on its way."""
        company_id = _require_company_id(caller)
        return await self._store.find(company_id) or Company(company_id)

    async def update_own(
        self, caller: Principal, edit: Callable[[Company], Company], *, expected_etag: str
    ) -> Company:
        """Changes the caller's company. Raises STALE_ETAG, or INVALID_FIELD with all violations."""
        company_id = _require_company_id(caller)

        def decide(found: Company | None) -> RecordChange[Company]:
            before = found or Company(company_id)
            if expected_etag and expected_etag != format_etag(before.version):
                raise stale_etag("company", company_id)
            edited = edit(before)
            if violations := check_company(before, edited):
                raise invalid_argument(*violations)
            return self._update(before, edited)

        company = await self._store.change(company_id, decide)
        await self._pages.invalidate(company_cache_key(company_id))
        return company or Company(company_id)

    async def registered(self, company_id: str, name: str) -> None:
        """Keeps what a registration says; to hear it twice changes nothing."""

        def decide(found: Company | None) -> RecordChange[Company]:
            before = found or Company(company_id)
            change = self._update(before, before.registered(name))
            return change if found else RecordChange(change.record)

        await self._store.change(company_id, decide)
        await self._pages.invalidate(company_cache_key(company_id))

    async def judge(self, company_id: str, state: CompanyState, moderator: str, reason: str) -> Company:
        """Says how far a company has been checked. Raises COMPANY_NOT_FOUND."""

        def decide(found: Company | None) -> RecordChange[Company]:
            if found is None:
                raise not_found("COMPANY_NOT_FOUND", "company", company_id)
            now = self._clock.now()
            judged = found.judged(state, moderator, reason, now)
            if judged is found:
                return RecordChange()
            kept = judged.changed(now)
            return RecordChange(kept, events=(_company_state_changed_event(found, kept, moderator, reason),))

        company = await self._store.change(company_id, decide)
        await self._pages.invalidate(company_cache_key(company_id))
        if company is None:
            raise unavailable("the company")
        return company

    async def in_state(self, state: CompanyState | None, after: str, limit: int) -> CompanyListPage:
        """Companies in a state, or all, in the order of their IDs."""
        return await self._store.in_state(state, after=after, limit=limit)

    async def require_verified(self, caller: Principal) -> None:
        """Raises COMPANY_NOT_VERIFIED unless the caller's company is verified, COMPANY_SUSPENDED."""
        company = await self.get_own(caller)
        if company.state is CompanyState.SUSPENDED:
            raise DomainError("COMPANY_SUSPENDED", f"The company {company.name} is suspended.")
        if company.state is not CompanyState.VERIFIED:
            raise DomainError("COMPANY_NOT_VERIFIED", HOW_TO_BE_VERIFIED)

    def _update(self, before: Company, after: Company) -> RecordChange[Company]:
        if after == before:
            return RecordChange()
        kept, news = after.changed(self._clock.now()), _company_updated_event(after)
        return RecordChange(kept, events=() if news == _company_updated_event(before) else (news,))


def _profile_updated_event(profile: Profile) -> ProfileUpdated:
    """What others hear of a profile; changes of all else are nobody's news."""
    return ProfileUpdated(
        user_id=profile.id, name=profile.name, locale=profile.locale, time_zone=profile.time_zone
    )


def _company_updated_event(company: Company) -> CompanyUpdated:
    return CompanyUpdated(company_id=company.id, name=company.name, url=company.url)


def _company_state_changed_event(
    before: Company, after: Company, moderator: str, reason: str
) -> CompanyStateChanged:
    return CompanyStateChanged(
        company_id=after.id,
        company_name=after.name,
        to=_state_number(after.state),
        company_version=after.version,
        moderator=moderator,
        reason=reason,
        **{"from": _state_number(before.state)},
    )


def _state_number(state: CompanyState) -> Any:
    return pb.CompanyState.Value(f"COMPANY_STATE_{state}")


def _profile_of_token(caller: Principal) -> Profile:
    return new_profile(caller.id, ProfileKind(caller.kind), caller.org)


def _require_company_id(caller: Principal) -> str:
    if not caller.org:
        raise DomainError("COMPANY_NOT_FOUND", "This account belongs to no company.")
    return caller.org
