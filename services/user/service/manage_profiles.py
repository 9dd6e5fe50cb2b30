"""The use cases of people's own profiles, and of students as others see them."""

from collections.abc import Callable, Iterable

from chassis.aggregates import AggregateChange, BatchRead
from chassis.call_context import Principal
from chassis.clock import Clock
from chassis.errors import invalid_argument, not_found, stale_etag, unavailable
from chassis.messaging import IncomingEvent
from chassis.mongo.documents import format_etag
from services.user.domain import (
    Profile,
    ProfileKind,
    RegisteredAccount,
    check_profile,
    new_profile,
    normalise_profile,
)
from services.user.domain.events import profile_updated
from services.user.repository import ProfileRepository


class ManageProfiles:
    """People's own profiles, and the view of students for others."""

    def __init__(self, repository: ProfileRepository, clock: Clock) -> None:
        self._repository = repository
        self._clock = clock

    async def get(self, principal: Principal) -> Profile:
        """Return the caller's profile; the token's data until the registration has been received."""
        return await self._repository.get(principal.id) or _profile_of_token(principal)

    async def update(
        self, principal: Principal, edit: Callable[[Profile], Profile], *, expected_etag: str
    ) -> Profile:
        """Change the caller's profile. Raises STALE_ETAG, or INVALID_FIELD with all violations."""

        def decide(found: Profile | None) -> AggregateChange[Profile] | None:
            return self.decide_update(principal, found, edit, expected_etag=expected_etag)

        return await self._repository.upsert(principal.id, decide) or _profile_of_token(principal)

    def decide_update(
        self,
        principal: Principal,
        found: Profile | None,
        edit: Callable[[Profile], Profile],
        *,
        expected_etag: str,
    ) -> AggregateChange[Profile] | None:
        """Return the change of the caller's profile by their own edit. Raises as `update`."""
        before = found or _profile_of_token(principal)
        if expected_etag and expected_etag != format_etag(before.version):
            raise stale_etag("profile", principal.id)
        edited = normalise_profile(edit(before))
        if violations := check_profile(before, edited):
            raise invalid_argument(*violations)
        return self._update(before, edited.with_student_part())

    async def record_registration(self, account: RegisteredAccount, handling: IncomingEvent) -> None:
        """Store the account of a registration."""

        def decide(found: Profile | None) -> AggregateChange[Profile] | None:
            before = found or new_profile(account.user_id, account.kind, account.company_id)
            change = self._update(before, before.with_registration(account))
            # Services that follow profiles follow accounts as well: only a later registration is an event to
            # them.
            is_first = change is not None and before.account_version is None
            return AggregateChange(change.aggregate) if change is not None and is_first else change

        await self._repository.upsert(account.user_id, decide, handling=handling)

    async def record_verification(self, user_id: str, handling: IncomingEvent) -> None:
        """Record that an address is verified: from now on recruiters may find the student.

        Raises UNAVAILABLE while the registration has not been received, so that the event is retried.
        """

        def decide(found: Profile | None) -> AggregateChange[Profile]:
            if found is None:
                raise unavailable(f"The profile of {user_id}")
            return AggregateChange(found.with_verified_email().with_next_version(self._clock.now()))

        await self._repository.upsert(user_id, decide, handling=handling)

    async def record_email(
        self, user_id: str, email: str, account_version: int, handling: IncomingEvent
    ) -> None:
        """Store another address of an account.

        Raises UNAVAILABLE while the registration has not been received, so that the event is retried.
        """

        def decide(found: Profile | None) -> AggregateChange[Profile] | None:
            if found is None or found.account_version is None:
                raise unavailable(f"The profile of {user_id}")
            return self._update(found, found.with_email(email, account_version))

        await self._repository.upsert(user_id, decide, handling=handling)

    async def get_student(self, student_id: str) -> Profile:
        """Return a student's profile for an application. Raises USER_NOT_FOUND for other accounts.

        Raises UNAVAILABLE while name and address have not been received.
        """
        profile = await self._repository.get(student_id)
        if profile is None or profile.kind is not ProfileKind.STUDENT:
            raise not_found("USER_NOT_FOUND", "student", student_id)
        if profile.account_version is None:
            raise unavailable(f"The profile of {student_id}")
        return profile

    async def list_students(self, student_ids: Iterable[str]) -> BatchRead[Profile]:
        """Return several students' profiles; those without a received registration are unavailable."""
        profiles = await self._repository.get_each(student_ids)
        students = [each for each in profiles.items if each.kind is ProfileKind.STUDENT]
        on_their_way = [each.id for each in students if each.account_version is None]
        return BatchRead(
            items=[each for each in students if each.account_version is not None],
            unavailable_ids=[*profiles.unavailable_ids, *on_their_way],
        )

    def _update(self, before: Profile, after: Profile) -> AggregateChange[Profile] | None:
        if after == before:
            return None
        event = profile_updated(after)
        events = () if event == profile_updated(before) else (event,)
        return AggregateChange(after.with_next_version(self._clock.now()), events)


def _profile_of_token(principal: Principal) -> Profile:
    return new_profile(principal.id, ProfileKind(principal.kind), principal.org)
