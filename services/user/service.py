"""The use cases: profiles, companies' pages and finding students."""

from collections.abc import Callable

from google.protobuf.message import Message

from chassis.caller import Principal
from chassis.clock import Clock
from chassis.errors import DomainError, invalid, not_found, stale_etag, unavailable
from chassis.messaging import Incoming
from chassis.mongo.documents import etag
from internshipconnect.events.v1.events_pb2 import CompanyUpdated, ProfileUpdated
from services.user.domain import (
    AccountKind,
    Company,
    Profile,
    Registered,
    StudentQuery,
    check_company,
    check_profile,
    new_profile,
)
from services.user.store import Change, CompanyStore, Page, ProfileStore


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
        kept = _skeleton(caller)

        def decide(found: Profile | None) -> Change[Profile]:
            nonlocal kept
            kept = found or _skeleton(caller)
            if expected_etag and expected_etag != etag(kept.version):
                raise stale_etag("profile", caller.id)
            edited = edit(kept).with_student_part()
            if violations := check_profile(kept, edited):
                raise invalid(*violations)
            if edited == kept:
                return Change()
            kept = edited.changed(self._clock.now())
            return Change(kept, events=(_profile_updated(kept),))

        await self._store.change(caller.id, decide)
        return kept

    async def registered(self, news: Registered, handling: Incoming) -> None:
        """Keeps what a registration says."""

        def decide(found: Profile | None) -> Change[Profile]:
            before = found or new_profile(news.user_id, news.kind, news.company_id)
            after = before.registered(news)
            if after is before:
                return Change()
            kept = after.changed(self._clock.now())
            return Change(kept, events=(_profile_updated(kept),) if found else ())

        await self._store.change(news.user_id, decide, handling=handling)

    async def verified(self, user_id: str, handling: Incoming) -> None:
        """Notes that an address was proven: from now on recruiters may find the student.

        Raises UNAVAILABLE while the news of the registration has not come, so that this is tried again.
        """

        def decide(found: Profile | None) -> Change[Profile]:
            if found is None:
                raise unavailable(f"The profile of {user_id}")
            return Change(found.verified(self._clock.now()))

        await self._store.change(user_id, decide, handling=handling)

    async def student(self, student_id: str) -> Profile:
        """A student's profile as an application freezes it. Raises USER_NOT_FOUND for others than students.

        Raises UNAVAILABLE while name and address have not come.
        """
        profile = await self._store.find(student_id)
        if profile is None or profile.kind is not AccountKind.STUDENT:
            raise not_found("USER_NOT_FOUND", "student", student_id)
        if profile.register_time is None:
            raise unavailable(f"The profile of {student_id}")
        return profile

    async def search(self, query: StudentQuery, *, after: str | None, limit: int) -> Page:
        """Students who let recruiters find them, the newest accounts first."""
        return await self._store.search(query, after=after, limit=limit)


class Companies:
    """Companies' pages."""

    def __init__(self, store: CompanyStore, clock: Clock) -> None:
        self._store = store
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
        kept = Company(company_id)

        def decide(found: Company | None) -> Change[Company]:
            nonlocal kept
            kept = found or Company(company_id)
            if expected_etag and expected_etag != etag(kept.version):
                raise stale_etag("company", company_id)
            edited = edit(kept)
            if violations := check_company(kept, edited):
                raise invalid(*violations)
            if edited == kept:
                return Change()
            kept = edited.changed(self._clock.now())
            return Change(kept, events=(_company_updated(kept),))

        await self._store.change(company_id, decide)
        return kept

    async def registered(self, company_id: str, name: str) -> None:
        """Keeps what a registration says; to hear it twice changes nothing."""

        def decide(found: Company | None) -> Change[Company]:
            before = found or Company(company_id)
            after = before.registered(name)
            if after is before:
                return Change()
            kept = after.changed(self._clock.now())
            return Change(kept, events=(_company_updated(kept),) if found else ())

        await self._store.change(company_id, decide)


def _skeleton(caller: Principal) -> Profile:
    return new_profile(caller.id, AccountKind(caller.kind), caller.org)


def _company_of(caller: Principal) -> str:
    if not caller.org:
        raise DomainError("COMPANY_NOT_FOUND", "This account belongs to no company.")
    return caller.org


def _profile_updated(profile: Profile) -> Message:
    return ProfileUpdated(
        user_id=profile.id, name=profile.name, locale=profile.locale, time_zone=profile.time_zone
    )


def _company_updated(company: Company) -> Message:
    return CompanyUpdated(company_id=company.id, name=company.name, url=company.url)
