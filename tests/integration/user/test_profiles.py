import asyncio
from typing import Any

import pytest

from chassis.call_context import acting_as
from chassis.errors import DomainError
from chassis.ids import new_id
from internshipconnect.common.v1.common_pb2 import (
    ACCOUNT_KIND_COMPANY,
    ACCOUNT_KIND_STUDENT,
    Link,
    Location,
    Skill,
)
from internshipconnect.events.v1.events_pb2 import ProfileUpdated, UserRegistered
from internshipconnect.user.v1 import user_pb2 as pb
from tests.databases import read_outbox
from tests.integration.user.conftest import NO_CONTEXT, UserHarness, a_student, an_owner


async def refusal(call: Any) -> DomainError:
    with pytest.raises(DomainError) as failure:
        await call
    return failure.value


async def test_a_profile_can_be_read_before_the_news_of_the_registration(users: UserHarness) -> None:
    student, owner = a_student(), an_owner()
    me = await users.get_me(student)
    assert (me.id, me.kind, me.HasField("student")) == (student.id, ACCOUNT_KIND_STUDENT, True)
    me = await users.get_me(owner)
    assert (me.company_id, me.HasField("student")) == (owner.org, False)


async def test_what_was_filled_in_before_the_news_stays(users: UserHarness) -> None:
    student = a_student()
    await users.update_me(student, pb.Me(locale="de", student=pb.StudentProfile(headline="Physicist")))
    await users.registered(student, "Ada")
    me = await users.get_me(student)
    assert (me.name, me.locale, me.student.headline) == ("Ada", "de", "Physicist")
    assert [event.name for event in await read_outbox(users.shards, ProfileUpdated, student.id)] == [""]


async def test_an_event_that_comes_twice_has_one_effect(users: UserHarness) -> None:
    owner = an_owner()
    event = UserRegistered(
        user_id=owner.id,
        name="Ada",
        kind=ACCOUNT_KIND_COMPANY,
        company_id=owner.org,
        company_name="Acme",
        email="a@acme.test",
    )
    event_id = new_id("evt")
    await asyncio.gather(*(users.hear(event, owner.id, event_id=event_id) for _ in range(5)))
    assert (await users.get_me(owner)).etag == "v1"
    company = await users.companies.get_company(owner.org)
    assert company is not None
    assert (company.name, company.version) == ("Acme", 1)


async def test_profile_and_company_are_both_made_when_they_share_a_shard(users: UserHarness) -> None:
    owner = an_owner(new_id("cmp"))
    while users.shards.shard_for(owner.org) is not users.shards.shard_for(owner.id):
        owner = an_owner()
    await users.registered(owner, "Ada", "Acme")
    assert (await users.get_me(owner)).name == "Ada"
    assert await users.companies.get_company(owner.org) is not None


async def test_a_later_registration_of_the_address_starts_the_profile_over(users: UserHarness) -> None:
    student = a_student()
    await users.registered(student, "Eve")
    await users.update_me(student, pb.Me(student=pb.StudentProfile(headline="Spam")))
    await users.registered(student, "Ada", version=3)
    await users.registered(student, "Eve", version=2)
    me = await users.get_me(student)
    assert (me.name, me.student.headline) == ("Ada", "")


async def test_news_of_a_proven_address_waits_for_the_registration(users: UserHarness) -> None:
    student = a_student()
    assert (await refusal(users.verified(student))).reason == "UNAVAILABLE"
    await users.registered(student)
    await users.verified(student)


async def test_without_a_mask_what_the_body_holds_is_changed(users: UserHarness) -> None:
    student = a_student()
    await users.registered(student)
    part = pb.StudentProfile(headline="Physicist", location=Location(city="Bern", lat=46.9, lng=7.4))
    await users.update_me(student, pb.Me(time_zone="Europe/Zurich", student=part))
    me = await users.update_me(student, pb.Me(student=pb.StudentProfile(skills=[Skill(name="Python")])))
    assert (me.name, me.time_zone, me.student.headline) == ("Ada", "Europe/Zurich", "Physicist")
    assert (me.student.location.city, me.student.skills[0].name) == ("Bern", "Python")


async def test_what_was_read_can_be_sent_back(users: UserHarness) -> None:
    student = await users.found_student("Ada", headline="Physicist")
    me = await users.get_me(student)
    assert await users.update_me(student, me) == me


async def test_a_path_of_the_mask_without_a_value_is_cleared(users: UserHarness) -> None:
    student = await users.found_student(
        "Ada", headline="Physicist", summary="Long", location=Location(city="Bern")
    )
    me = await users.update_me(student, pb.Me(), "student.headline", "student.location")
    assert (me.student.headline, me.student.summary, me.student.HasField("location")) == ("", "Long", False)


@pytest.mark.parametrize(
    ("path", "description"),
    [
        ("nickname", "there is no field `nickname`"),
        ("student.nick", "there is no field `student.nick`"),
        ("email", "`email` is read-only"),
        ("etag", "`etag` is read-only"),
    ],
)
async def test_an_unknown_or_read_only_path_is_refused_by_name(
    users: UserHarness, path: str, description: str
) -> None:
    error = await refusal(users.update_me(a_student(), pb.Me(), path))
    assert [(each.field, each.description) for each in error.violations] == [("updateMask", description)]


async def test_a_name_cannot_be_cleared(users: UserHarness) -> None:
    student = a_student()
    await users.registered(student)
    error = await refusal(users.update_me(student, pb.Me(), "name"))
    assert [each.field for each in error.violations] == ["name"]


async def test_a_company_member_has_no_student_part(users: UserHarness) -> None:
    owner = an_owner()
    error = await refusal(users.update_me(owner, pb.Me(student=pb.StudentProfile(headline="x"))))
    assert [each.field for each in error.violations] == ["student"]


async def test_a_stale_etag_is_refused_and_changes_nothing(users: UserHarness) -> None:
    student = a_student()
    await users.registered(student)
    read = await users.get_me(student)
    await users.update_me(student, pb.Me(locale="de", etag=read.etag))
    assert (
        await refusal(users.update_me(student, pb.Me(locale="fr", etag=read.etag)))
    ).reason == "STALE_ETAG"
    assert (await users.get_me(student)).locale == "de"


async def test_of_ten_changes_with_one_etag_at_once_one_wins(users: UserHarness) -> None:
    student = a_student()
    await users.registered(student)
    etag = (await users.get_me(student)).etag
    answers = await asyncio.gather(
        *(users.update_me(student, pb.Me(locale="de", name=f"Ada {n}", etag=etag)) for n in range(10)),
        return_exceptions=True,
    )
    assert sum(isinstance(answer, pb.Me) for answer in answers) == 1
    assert len(await read_outbox(users.shards, ProfileUpdated, student.id)) == 1


async def test_changes_of_different_fields_at_once_all_take_effect(users: UserHarness) -> None:
    student = a_student()
    await users.registered(student)
    await asyncio.gather(
        users.update_me(student, pb.Me(locale="de")),
        users.update_me(student, pb.Me(time_zone="Europe/Berlin")),
        users.update_me(student, pb.Me(student=pb.StudentProfile(headline="Physicist"))),
        users.update_me(student, pb.Me(name="Ada L.")),
    )
    me = await users.get_me(student)
    assert (me.locale, me.time_zone, me.name) == ("de", "Europe/Berlin", "Ada L.")
    assert (me.student.headline, me.etag) == ("Physicist", "v5")


async def test_a_change_that_changes_nothing_is_not_published(users: UserHarness) -> None:
    student = a_student()
    await users.registered(student)
    me = await users.update_me(student, pb.Me(name="Ada"))
    assert me.etag == "v1"
    assert await read_outbox(users.shards, ProfileUpdated, student.id) == []


async def test_a_snapshot_holds_the_profile_without_whom_it_blocks(users: UserHarness) -> None:
    blocked = new_id("cmp")
    student = await users.found_student("Ada", headline="Physicist", blocked_company_ids=[blocked])
    request = pb.GetStudentSnapshotRequest(student_id=student.id)
    snapshot = await users.api.GetStudentSnapshot(request, NO_CONTEXT)
    assert (snapshot.name, snapshot.email, snapshot.profile.headline) == (
        "Ada",
        "ada@campus.test",
        "Physicist",
    )
    assert list(snapshot.profile.blocked_company_ids) == []
    assert list(snapshot.blocked_company_ids) == [blocked]


async def test_a_snapshot_holds_the_blind_view_when_it_is_asked_for(users: UserHarness) -> None:
    student = await users.found_student(
        "Ada Okafor",
        email="ada@campus.test",
        headline="Ada, physicist",
        summary="Okafor, at Example University, see https://ada.test",
        links=[Link(label="Home", url="https://ada.test")],
        education=[pb.Education(institution="Example University", area="Physics")],
        blocked_company_ids=[new_id("cmp")],
    )
    request = pb.GetStudentSnapshotRequest(
        student_id=student.id, with_blind_profile=True, texts=["I am Ada.", ""]
    )
    snapshot = await users.api.GetStudentSnapshot(request, NO_CONTEXT)
    assert snapshot.profile.headline == "Ada, physicist"
    blind = snapshot.blind_profile
    assert (blind.headline, blind.education[0].area) == ("…, physicist", "Physics")
    for secret in ("Ada", "Okafor", "Example University", "ada.test"):
        assert secret in str(snapshot.profile)
        assert secret not in str(blind)
    assert (list(blind.links), list(blind.blocked_company_ids)) == ([], [])
    assert list(snapshot.blind_texts) == ["I am ….", ""]
    plain = await users.api.GetStudentSnapshot(
        pb.GetStudentSnapshotRequest(student_id=student.id), NO_CONTEXT
    )
    assert (plain.HasField("blind_profile"), list(plain.blind_texts)) == (False, [])


async def test_there_is_no_snapshot_of_others_than_students(users: UserHarness) -> None:
    owner = an_owner()
    await users.registered(owner, "Ada", "Acme")
    for user_id in (owner.id, new_id("usr")):
        request = pb.GetStudentSnapshotRequest(student_id=user_id)
        assert (await refusal(users.api.GetStudentSnapshot(request, NO_CONTEXT))).reason == "USER_NOT_FOUND"


async def test_a_snapshot_before_the_news_of_the_registration_is_to_be_tried_again(
    users: UserHarness,
) -> None:
    student = a_student()
    await users.update_me(student, pb.Me(locale="de"))
    request = pb.GetStudentSnapshotRequest(student_id=student.id)
    with acting_as(None):
        assert (await refusal(users.api.GetStudentSnapshot(request, NO_CONTEXT))).reason == "UNAVAILABLE"


async def test_snapshots_of_several_students_leave_out_who_is_none_and_say_who_is_on_the_way(
    users: UserHarness,
) -> None:
    known = [await users.found_student("Ada", headline="Physicist"), await users.found_student("Emmy")]
    owner, early = an_owner(), a_student()
    await users.registered(owner, "Grace", "Acme")
    await users.update_me(early, pb.Me(locale="de"))
    ids = [*(each.id for each in known), owner.id, early.id, new_id("usr")]
    with acting_as(None):
        answer = await users.api.BatchGetStudentSnapshots(
            pb.BatchGetStudentSnapshotsRequest(student_ids=ids), NO_CONTEXT
        )
    assert {each.student_id: (each.name, each.profile.headline) for each in answer.snapshots} == {
        known[0].id: ("Ada", "Physicist"),
        known[1].id: ("Emmy", ""),
    }
    assert list(answer.unavailable_ids) == [early.id]
