"""Companies open the profiles that a search may find, and the student sees each look."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from chassis.call_context import Principal, acting_as
from chassis.contracts import event_type
from chassis.errors import DomainError
from chassis.ids import new_id, slot_of
from chassis.messaging import IncomingEvent
from internshipconnect.common.v1 import common_pb2 as common
from internshipconnect.common.v1.common_pb2 import Link, Skill
from internshipconnect.events.v1.events_pb2 import ApplicationAccessed
from internshipconnect.user.v1 import profiles_pb2 as profiles
from internshipconnect.user.v1 import user_pb2 as pb
from services.user.event_handlers import PROFILE_ACCESSES_QUEUE, AccessEventHandlers
from tests.integration.user.conftest import NO_CONTEXT, UserHarness, a_student, an_owner


async def refused(users: UserHarness, recruiter: Principal, student: Principal) -> str:
    with pytest.raises(DomainError) as refusal:
        await users.open_student(recruiter, student)
    return refusal.value.reason


async def test_an_opened_profile_shows_all_but_the_settings_and_the_address(users: UserHarness) -> None:
    other = new_id("cmp")
    student = await users.found_student(
        "Ada",
        email="ada@uni-hamburg.de",
        headline="Physicist",
        summary="Long",
        skills=[Skill(name="Python")],
        links=[Link(label="Home", url="https://ada.test")],
        blocked_company_ids=[other],
    )
    seen = await users.open_student(an_owner(), student)
    assert (seen.id, seen.name, seen.profile.headline, seen.profile.summary) == (
        student.id,
        "Ada",
        "Physicist",
        "Long",
    )
    assert seen.profile.skills[0].id == "ic:python"
    assert (seen.student_verified, seen.verified_school, seen.blind) == (True, "Universität Hamburg", False)
    assert (seen.profile.visibility, list(seen.profile.blocked_company_ids)) == (0, [])
    assert "ada@" not in str(seen)
    assert other not in str(seen)


async def test_a_blind_look_shows_no_name_and_is_a_look(users: UserHarness) -> None:
    student = await users.found_student(
        "Ada", summary="Ada likes maps.", links=[Link(label="Home", url="https://ada.test")]
    )
    seen = await users.open_student(an_owner(), student, blind=True)
    assert (seen.name, seen.profile.summary, list(seen.profile.links), seen.blind) == (
        "",
        "… likes maps.",
        [],
        True,
    )
    assert len((await users.accesses(student)).data) == 1


async def test_who_is_not_to_be_found_cannot_be_opened_and_nothing_is_logged(users: UserHarness) -> None:
    recruiter = an_owner()
    hidden = await users.found_student("Ada")
    await users.update_me(hidden, pb.Me(student=pb.StudentProfile(visibility=pb.VISIBILITY_WHEN_I_APPLY)))
    busy = await users.found_student("Bob", open_to_work=False)
    blocking = await users.found_student("Cleo", blocked_company_ids=[recruiter.org])
    unproven = a_student()
    await users.registered(unproven, "Dan")
    await users.update_me(unproven, pb.Me(student=pb.StudentProfile(visibility=pb.VISIBILITY_RECRUITERS)))
    colleague = an_owner()
    await users.registered(colleague, "Eve", "Acme")
    for person in (hidden, busy, blocking, unproven, colleague, a_student()):
        assert await refused(users, recruiter, person) == "USER_NOT_FOUND"
    for student in (hidden, busy, blocking):
        assert not (await users.accesses(student)).data
    assert (await users.open_student(an_owner(), blocking)).name == "Cleo"


async def test_members_of_a_company_that_nobody_has_verified_open_nothing(users: UserHarness) -> None:
    student, owner = await users.found_student("Ada"), an_owner()
    await users.registered(owner, "Bob", "Acme")
    with acting_as(owner), pytest.raises(DomainError) as refusal:
        await users.profile_api.GetStudent(profiles.GetStudentRequest(student_id=student.id), NO_CONTEXT)
    assert refusal.value.reason == "COMPANY_NOT_VERIFIED"
    assert not (await users.accesses(student)).data


async def test_the_looks_of_a_company_on_one_day_are_one_entry(users: UserHarness) -> None:
    student, owner = await users.found_student("Ada"), an_owner()
    recruiter = replace(owner, id=new_id("usr"), role="RECRUITER")
    first_time = users.clock.now()
    for member in (owner, recruiter, recruiter):
        await users.open_student(member, student)
        users.clock.advance(timedelta(hours=1))
    [entry] = (await users.accesses(student)).data
    assert (entry.company_id, entry.company_name, entry.count) == (owner.org, "Trusted", 3)
    assert list(entry.roles) == [common.COMPANY_ROLE_OWNER, common.COMPANY_ROLE_RECRUITER]
    assert entry.kind == profiles.PROFILE_ACCESS_KIND_PROFILE
    assert entry.first_time.ToDatetime() >= first_time.replace(tzinfo=None)
    assert entry.last_time.ToDatetime() - entry.first_time.ToDatetime() == timedelta(hours=2)
    assert owner.id not in str(entry) and recruiter.id not in str(entry)


async def test_other_days_companies_and_applications_are_entries_of_their_own_newest_first(
    users: UserHarness,
) -> None:
    student, owner, other = await users.found_student("Ada"), an_owner(), an_owner()
    await users.open_student(owner, student)
    users.clock.advance(timedelta(days=1))
    await users.open_student(owner, student)
    users.clock.advance(timedelta(seconds=1))
    await users.open_student(other, student)
    users.clock.advance(timedelta(seconds=1))
    look = a_look(
        student,
        new_id("app", slot_of(student.id)),
        company_id=owner.org,
        company_name="Trusted",
        role=common.COMPANY_ROLE_VIEWER,
    )
    await accessed(users, look)
    found = (await users.accesses(student)).data
    assert [(entry.company_id, entry.kind) for entry in found] == [
        (owner.org, profiles.PROFILE_ACCESS_KIND_APPLICATION),
        (other.org, profiles.PROFILE_ACCESS_KIND_PROFILE),
        (owner.org, profiles.PROFILE_ACCESS_KIND_PROFILE),
        (owner.org, profiles.PROFILE_ACCESS_KIND_PROFILE),
    ]
    assert found[0].application_id == look.application_id
    assert list(found[0].roles) == [common.COMPANY_ROLE_VIEWER]


async def test_pages_of_the_log_follow_each_other_without_gap_or_repeat(users: UserHarness) -> None:
    student, companies = await users.found_student("Ada"), [an_owner() for _ in range(5)]
    for owner in companies:
        await users.open_student(owner, student)
        users.clock.advance(timedelta(seconds=1))
    seen, token = list[str](), ""
    while True:
        page = await users.accesses(student, page_size=2, page_token=token)
        seen += [entry.company_id for entry in page.data]
        token = page.next_page_token
        if not token:
            break
    assert seen == [owner.org for owner in reversed(companies)]
    assert not (await users.accesses(await users.found_student("Bob"))).data


async def test_looks_at_the_same_moment_are_all_counted(users: UserHarness) -> None:
    student, owner = await users.found_student("Ada"), an_owner()
    await users.trusted(owner)
    await asyncio.gather(*(users.open_student(owner, student) for _ in range(20)))
    [entry] = (await users.accesses(student)).data
    assert entry.count == 20


async def test_a_profile_is_not_shown_when_the_look_cannot_be_stored(
    users: UserHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    student, owner = await users.found_student("Ada"), an_owner()
    await users.trusted(owner)
    shard = users.shards.shard_for(student.id)
    await shard.db["profile_accesses"].drop_index("one_entry_a_day")
    with pytest.raises(Exception, match=r"one_entry_a_day|hint"):
        await users.open_student(owner, student)


async def accessed(users: UserHarness, event: ApplicationAccessed, event_id: str = "") -> None:
    """Handle the event of a look as a worker does, an hour after it was made."""
    incoming = IncomingEvent(
        event_id=event_id or new_id("evt"),
        type=event_type(event),
        source="application",
        subject=event.application_id,
        time=users.clock.now(),
        traceparent="",
        queue=PROFILE_ACCESSES_QUEUE,
    )
    users.clock.advance(timedelta(hours=1))
    await AccessEventHandlers(users.profile_api._views).application_accessed(event, incoming)


def a_look(student: Principal, application_id: str, **fields: object) -> ApplicationAccessed:
    known: dict[str, object] = {
        "student_id": student.id,
        "application_id": application_id,
        "company_id": new_id("cmp"),
        "company_name": "Acme",
        "role": common.COMPANY_ROLE_RECRUITER,
        "kind": profiles.PROFILE_ACCESS_KIND_APPLICATION,
    }
    return ApplicationAccessed(**(known | fields))  # type: ignore[arg-type]


async def test_a_look_at_an_application_is_in_the_log_once_and_at_its_own_time(users: UserHarness) -> None:
    student = a_student()
    look = a_look(student, new_id("app", slot_of(student.id)))
    then = users.clock.now()
    for _ in range(3):
        await accessed(users, look, "evt_one")
    [entry] = (await users.accesses(student)).data
    assert (entry.company_name, entry.application_id, entry.count) == ("Acme", look.application_id, 1)
    assert entry.kind == profiles.PROFILE_ACCESS_KIND_APPLICATION
    assert entry.first_time.ToDatetime(then.tzinfo) == then


async def test_looks_at_an_application_and_at_its_documents_are_entries_of_their_own(
    users: UserHarness,
) -> None:
    student, company_id = a_student(), new_id("cmp")
    application_id = new_id("app", slot_of(student.id))
    roles = (common.COMPANY_ROLE_RECRUITER, common.COMPANY_ROLE_VIEWER)
    for role in roles:
        await accessed(users, a_look(student, application_id, company_id=company_id, role=role))
    kind = profiles.PROFILE_ACCESS_KIND_DOCUMENT
    await accessed(users, a_look(student, application_id, company_id=company_id, kind=kind))
    document, application = (await users.accesses(student)).data
    assert (document.kind, document.count) == (kind, 1)
    assert (list(application.roles), application.count) == (list(roles), 2)


async def test_looks_of_many_events_at_once_are_all_counted(users: UserHarness) -> None:
    student, company_id = a_student(), new_id("cmp")
    look = a_look(student, new_id("app", slot_of(student.id)), company_id=company_id)
    await asyncio.gather(*(accessed(users, look) for _ in range(10)))
    [entry] = (await users.accesses(student)).data
    assert entry.count == 10
