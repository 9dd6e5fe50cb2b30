"""Students bring a JSON Resume, see how complete their profile is, and take it along again."""

from typing import Any

import pytest
from google.protobuf.json_format import MessageToDict

from chassis.call_context import Principal, acting_as
from chassis.errors import DomainError
from internshipconnect.user.v1 import profiles_pb2 as profiles
from internshipconnect.user.v1 import user_pb2 as pb
from tests.integration.user.conftest import NO_CONTEXT, UserHarness, a_student

RESUME: dict[str, Any] = {
    "basics": {"name": "Sam Okafor", "label": "Second-year student", "phone": "+49 30 1234567"},
    "education": [{"institution": "TU Berlin", "area": "Computer Science", "endDate": "2027-09"}],
    "skills": [{"name": "py", "level": "Advanced"}, {"name": "Kite building"}],
}


async def bring(
    users: UserHarness, person: Principal, resume: dict[str, Any], **rest: Any
) -> profiles.ImportJsonResumeResponse:
    request = profiles.ImportJsonResumeRequest(**rest)
    request.resume.update(resume)
    with acting_as(person):
        return await users.profile_api.ImportJsonResume(request, NO_CONTEXT)


async def take(users: UserHarness, person: Principal) -> dict[str, Any]:
    with acting_as(person):
        answer = await users.profile_api.ExportJsonResume(profiles.ExportJsonResumeRequest(), NO_CONTEXT)
    found: dict[str, Any] = MessageToDict(answer)["resume"]
    return found


async def measure(users: UserHarness, person: Principal) -> profiles.ProfileCompleteness:
    with acting_as(person):
        return await users.profile_api.GetProfileCompleteness(
            profiles.GetProfileCompletenessRequest(), NO_CONTEXT
        )


async def test_an_import_fills_the_profile_and_lists_what_it_leaves_out(users: UserHarness) -> None:
    student = a_student()
    await users.registered(student, "Sam")
    answer = await bring(users, student, RESUME)
    assert [note.path for note in answer.notes] == ["basics.phone"]
    me = await users.get_me(student)
    assert me == answer.me
    assert (me.name, me.student.headline) == ("Sam Okafor", "Second-year student")
    assert [(skill.name, skill.id) for skill in me.student.skills] == [
        ("py", "ic:python"),
        ("Kite building", ""),
    ]


async def test_a_dry_run_shows_the_same_and_changes_nothing(users: UserHarness) -> None:
    student = a_student()
    await users.registered(student, "Sam")
    before = await users.get_me(student)
    shown = await bring(users, student, RESUME, dry_run=True)
    assert await users.get_me(student) == before
    real = await bring(users, student, RESUME)
    assert (shown.me.student, shown.notes) == (real.me.student, real.notes)


async def test_the_same_document_again_changes_nothing(users: UserHarness) -> None:
    student = a_student()
    await users.registered(student, "Sam")
    once = await bring(users, student, RESUME)
    assert (await bring(users, student, RESUME)).me == once.me


async def test_a_profile_that_leaves_comes_back_as_it_was(users: UserHarness) -> None:
    student, other = a_student(), a_student()
    await users.registered(student, "Sam")
    await users.registered(other, "Sam")
    me = (await bring(users, student, RESUME)).me
    back = await bring(users, other, await take(users, student))
    assert (back.me.name, back.me.student, list(back.notes)) == (me.name, me.student, [])


async def test_an_import_over_a_newer_profile_is_refused(users: UserHarness) -> None:
    student = a_student()
    await users.registered(student, "Sam")
    old = await users.get_me(student)
    await users.update_me(student, pb.Me(locale="de"))
    for dry_run in (False, True):
        with pytest.raises(DomainError) as refusal:
            await bring(users, student, RESUME, etag=old.etag, dry_run=dry_run)
        assert refusal.value.reason == "STALE_ETAG"


async def test_completeness_grows_with_the_profile_and_names_the_next_step(users: UserHarness) -> None:
    student = a_student()
    await users.registered(student, "Sam")
    before = await measure(users, student)
    await bring(users, student, RESUME)
    after = await measure(users, student)
    assert before.score == 5 < after.score
    assert before.next_part == profiles.PROFILE_PART_EDUCATION
    assert after.next_part == profiles.PROFILE_PART_PRACTICE
    assert "project" in after.next_step
    assert sum(part.weight for part in after.parts) == 100


async def test_skills_are_suggested(users: UserHarness) -> None:
    request = profiles.SuggestSkillsRequest(q="pyhton", limit=1)
    answer = await users.profile_api.SuggestSkills(request, NO_CONTEXT)
    assert [(each.id, each.name) for each in answer.suggestions] == [("ic:python", "Python")]
