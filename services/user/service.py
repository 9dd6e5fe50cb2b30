"""The use cases: profiles, companies' pages and finding students."""

import asyncio
import logging
import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any, Final, Protocol

from pymongo.errors import PyMongoError

from chassis.caller import Principal
from chassis.clock import Clock
from chassis.errors import DomainError, invalid, not_found, stale_etag, unavailable
from chassis.messaging import Incoming
from chassis.mongo.documents import etag
from chassis.mongo.shards import OfEach
from chassis.search.places import Gazetteer
from chassis.search.reading import Reader, Reading
from chassis.search.vocabulary import Vocabulary
from internshipconnect.events.v1.events_pb2 import CompanyStateChanged, CompanyUpdated, ProfileUpdated
from internshipconnect.user.v1 import user_pb2 as pb
from services.user.domain import (
    AccountKind,
    Company,
    CompanyState,
    Profile,
    Registered,
    StudentQuery,
    check_company,
    check_profile,
    new_profile,
    spelled,
    student_query,
)
from services.user.domain.search import GRAMMAR
from services.user.store import Change, CompanyPage, CompanyStore, Page, Position, ProfileStore

READ_WORDS_EVERY_S: Final = 600.0

log = logging.getLogger(__name__)


class Profiles:
    """People's own profiles, and how others see students."""

    def __init__(self, store: ProfileStore, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    async def get(self, caller: Principal) -> Profile:
        """The caller's profile; what the token says while the news of the registration is on its way."""
        return await self._store.find(caller.id) or _skeleton(caller)

    async def update(
        self, caller: Principal, edit: Callable[[Profile], Profile], *, expected_etag: str
    ) -> Profile:
        """Changes the caller's profile. Raises STALE_ETAG, or INVALID_FIELD with all violations."""

        def decide(found: Profile | None) -> Change[Profile]:
            before = found or _skeleton(caller)
            if expected_etag and expected_etag != etag(before.version):
                raise stale_etag("profile", caller.id)
            edited = spelled(edit(before))
            if violations := check_profile(before, edited):
                raise invalid(*violations)
            return self._update(before, edited.with_student_part())

        return await self._store.change(caller.id, decide) or _skeleton(caller)

    async def registered(self, news: Registered, handling: Incoming) -> None:
        """Keeps what a registration says."""

        def decide(found: Profile | None) -> Change[Profile]:
            before = found or new_profile(news.user_id, news.kind, news.company_id)
            change = self._update(before, before.registered(news))
            # Whoever hears of profiles hears of accounts: only a later account is news to them.
            return Change(change.record) if before.account_version is None else change

        await self._store.change(news.user_id, decide, handling=handling)

    async def verified(self, user_id: str, handling: Incoming) -> None:
        """Notes that an address was proven: from now on recruiters may find the student.

        Raises UNAVAILABLE while the news of the registration has not come, so that this is tried again.
        """

        def decide(found: Profile | None) -> Change[Profile]:
            if found is None:
                raise unavailable(f"The profile of {user_id}")
            return Change(found.verified().changed(self._clock.now()))

        await self._store.change(user_id, decide, handling=handling)

    async def student(self, student_id: str) -> Profile:
        """A student's profile as an application freezes it. Raises USER_NOT_FOUND for others than students.

        Raises UNAVAILABLE while name and address have not come.
        """
        profile = await self._store.find(student_id)
        if profile is None or profile.kind is not AccountKind.STUDENT:
            raise not_found("USER_NOT_FOUND", "student", student_id)
        if profile.account_version is None:
            raise unavailable(f"The profile of {student_id}")
        return profile

    async def students(self, student_ids: Iterable[str]) -> OfEach[Profile]:
        """The same of several students; those whose name and address have not come count as unavailable."""
        profiles = await self._store.find_each(student_ids)
        students = [each for each in profiles.found if each.kind is AccountKind.STUDENT]
        on_their_way = [each.id for each in students if each.account_version is None]
        return OfEach(
            found=[each for each in students if each.account_version is not None],
            unavailable_ids=[*profiles.unavailable_ids, *on_their_way],
        )

    def _update(self, before: Profile, after: Profile) -> Change[Profile]:
        if after == before:
            return Change()
        kept, news = after.changed(self._clock.now()), _news(after)
        return Change(kept, events=() if news == _news(before) else (news,))


@dataclass(frozen=True, slots=True)
class WantedStudents:
    """A search for students as it was asked for."""

    company_id: str
    text: str
    skills: tuple[str, ...]
    city: str
    country: str
    is_literal: bool


@dataclass(frozen=True, slots=True)
class FoundStudents:
    """A page of students, how the words were read, and how many had to match for it (0: all)."""

    page: Page
    reading: Reading
    least: int = 0


class StudentSearch:
    """Finds students who let recruiters find them."""

    def __init__(self, store: ProfileStore, places: Gazetteer) -> None:
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
            await asyncio.sleep(READ_WORDS_EVERY_S * random.uniform(0.9, 1.1))  # noqa: S311

    async def find(
        self, wanted: WantedStudents, position: "StudentPosition | None", limit: int
    ) -> FoundStudents:
        """A page of students: those with all words; those with most of them where nobody has all."""
        taken = {"city": wanted.city, "country": wanted.country}
        reading = Reader(GRAMMAR, self._vocabulary, self._places).read(
            wanted.text,
            weights=position.weights if position else (),
            taken=frozenset(name for name, value in taken.items() if value),
            is_literal=wanted.is_literal,
        )
        if reading.is_empty:
            return FoundStudents(Page([], has_more=False, missing=[]), reading)
        query = student_query(
            company_id=wanted.company_id,
            places=self._places,
            reading=reading,
            skills=wanted.skills,
            city=wanted.city,
            country=wanted.country,
        )
        return await self._first_found(query, position, limit)

    async def _first_found(
        self, query: StudentQuery, position: "StudentPosition | None", limit: int
    ) -> FoundStudents:
        words = len(query.reading.demanded)
        most = [(words + 1) // 2, 1] if words > 1 else []
        for least in [position.least] if position else [0, *most]:
            page = await self._store.search(
                replace(query, least=least or None), after=position.after if position else None, limit=limit
            )
            if page.entries:
                break
        return FoundStudents(page, query.reading, least)


@dataclass(frozen=True, slots=True)
class StudentPosition:
    """Where a later page begins, and what of the first must stay as it was."""

    after: Position
    least: int
    weights: tuple[int, ...]


class Pages(Protocol):
    """Where companies' pages are cached."""

    async def drop(self, *keys: str) -> None: ...


HOW_TO_BE_VERIFIED: Final = (
    "Only members of a verified company find students. Fill in your company's page with its web address and "
    "ask the people who run this service to verify it; a person looks at it."
)


def page_key(company_id: str) -> str:
    """Under which key a company's page is cached."""
    return f"company:{company_id}"


class Companies:
    """Companies' pages; a page that has changed leaves the cache."""

    def __init__(self, store: CompanyStore, pages: Pages, clock: Clock) -> None:
        self._store = store
        self._pages = pages
        self._clock = clock

    async def find(self, company_id: str) -> Company | None:
        """Any company's page."""
        return await self._store.find(company_id)

    async def get_own(self, caller: Principal) -> Company:
        """The caller's company; an empty page while the news of its registration is on its way."""
        company_id = _company_of(caller)
        return await self._store.find(company_id) or Company(company_id)

    async def update_own(
        self, caller: Principal, edit: Callable[[Company], Company], *, expected_etag: str
    ) -> Company:
        """Changes the caller's company. Raises STALE_ETAG, or INVALID_FIELD with all violations."""
        company_id = _company_of(caller)

        def decide(found: Company | None) -> Change[Company]:
            before = found or Company(company_id)
            if expected_etag and expected_etag != etag(before.version):
                raise stale_etag("company", company_id)
            edited = edit(before)
            if violations := check_company(before, edited):
                raise invalid(*violations)
            return self._update(before, edited)

        company = await self._store.change(company_id, decide)
        await self._pages.drop(page_key(company_id))
        return company or Company(company_id)

    async def registered(self, company_id: str, name: str) -> None:
        """Keeps what a registration says; to hear it twice changes nothing."""

        def decide(found: Company | None) -> Change[Company]:
            before = found or Company(company_id)
            change = self._update(before, before.registered(name))
            return change if found else Change(change.record)

        await self._store.change(company_id, decide)
        await self._pages.drop(page_key(company_id))

    async def judge(self, company_id: str, state: CompanyState, moderator: str, reason: str) -> Company:
        """Says how far a company has been checked. Raises COMPANY_NOT_FOUND."""

        def decide(found: Company | None) -> Change[Company]:
            if found is None:
                raise not_found("COMPANY_NOT_FOUND", "company", company_id)
            now = self._clock.now()
            judged = found.judged(state, moderator, reason, now)
            if judged is found:
                return Change()
            kept = judged.changed(now)
            return Change(kept, events=(_judgement_news(found, kept, moderator, reason),))

        company = await self._store.change(company_id, decide)
        await self._pages.drop(page_key(company_id))
        if company is None:
            raise unavailable("the company")
        return company

    async def in_state(self, state: CompanyState | None, after: str, limit: int) -> CompanyPage:
        """Companies in a state, or all, in the order of their IDs."""
        return await self._store.in_state(state, after=after, limit=limit)

    async def require_verified(self, caller: Principal) -> None:
        """Raises COMPANY_NOT_VERIFIED unless the caller's company is verified, COMPANY_SUSPENDED."""
        company = await self.get_own(caller)
        if company.state is CompanyState.SUSPENDED:
            raise DomainError("COMPANY_SUSPENDED", f"The company {company.name} is suspended.")
        if company.state is not CompanyState.VERIFIED:
            raise DomainError("COMPANY_NOT_VERIFIED", HOW_TO_BE_VERIFIED)

    def _update(self, before: Company, after: Company) -> Change[Company]:
        if after == before:
            return Change()
        kept, news = after.changed(self._clock.now()), _page_news(after)
        return Change(kept, events=() if news == _page_news(before) else (news,))


def _news(profile: Profile) -> ProfileUpdated:
    """What others hear of a profile; changes of all else are nobody's news."""
    return ProfileUpdated(
        user_id=profile.id, name=profile.name, locale=profile.locale, time_zone=profile.time_zone
    )


def _page_news(company: Company) -> CompanyUpdated:
    return CompanyUpdated(company_id=company.id, name=company.name, url=company.url)


def _judgement_news(before: Company, after: Company, moderator: str, reason: str) -> CompanyStateChanged:
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


def _skeleton(caller: Principal) -> Profile:
    return new_profile(caller.id, AccountKind(caller.kind), caller.org)


def _company_of(caller: Principal) -> str:
    if not caller.org:
        raise DomainError("COMPANY_NOT_FOUND", "This account belongs to no company.")
    return caller.org
