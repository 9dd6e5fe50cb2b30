"""Students are found by skills under any name, by school, subject and the end of the studies."""

from typing import Any

import pytest

from chassis.errors import DomainError
from internshipconnect.common.v1.common_pb2 import Skill
from internshipconnect.user.v1 import user_pb2 as pb
from tests.integration.user.conftest import UserHarness, an_owner


async def some_students(users: UserHarness) -> None:
    await users.found_student(
        "Ada",
        skills=[Skill(name="K8s"), Skill(name="Kite building")],
        education=[
            pb.Education(institution="Technische Universität Berlin", area="Maschinenbau", end="2027-06")
        ],
    )
    await users.found_student(
        "Bob",
        skills=[Skill(name="Kubernetes"), Skill(name="Go")],
        education=[
            pb.Education(institution="Gymnasium Bern", end="2023"),
            pb.Education(institution="ETH Zürich", area="Computer Science", end="2028"),
        ],
    )
    await users.found_student("Cleo", skills=[Skill(name="Painting")])


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ({"skills": ["kubernetes"]}, ["Bob", "Ada"]),
        ({"skills": ["K8S"]}, ["Bob", "Ada"]),
        ({"skills": ["ic:kubernetes"]}, ["Bob", "Ada"]),
        ({"skills": ["k8s", "golang"]}, ["Bob"]),
        ({"skills": ["kite Building"]}, ["Ada"]),
        ({"q": "k8s"}, ["Bob", "Ada"]),
        ({"school": "TU Berlin"}, []),
        ({"school": "universitat berlin"}, ["Ada"]),
        ({"school": "ETH"}, ["Bob"]),
        ({"field_of_study": "mechanical engineering"}, ["Ada"]),
        ({"field_of_study": "Computer Science"}, ["Bob"]),
        ({"graduation_from": "2027-01"}, ["Bob", "Ada"]),
        ({"graduation_from": "2027-07"}, ["Bob"]),
        ({"graduation_to": "2027-06"}, ["Ada"]),
        ({"graduation_from": "2028-12", "graduation_to": "2028-12"}, ["Bob"]),
        ({"graduation_to": "2024-01"}, []),
        ({"school": "eth", "skills": ["k8s"], "graduation_from": "2027-07", "q": "go"}, ["Bob"]),
    ],
)
async def test_students_are_found_by_what_they_know_and_study(
    users: UserHarness, query: dict[str, Any], names: list[str]
) -> None:
    await some_students(users)
    assert await users.names(an_owner(), **query) == names


async def test_who_looks_for_no_work_is_found_again_after_changing_their_mind(users: UserHarness) -> None:
    student, recruiter = await users.found_student("Ada", open_to_work=False), an_owner()
    assert await users.names(recruiter) == []
    await users.update_me(student, pb.Me(student=pb.StudentProfile(open_to_work=True)))
    [card] = (await users.search(recruiter)).data
    assert (card.name, card.open_to_work) == ("Ada", True)


async def test_a_blind_search_hides_who_the_students_are(users: UserHarness) -> None:
    await users.found_student(
        "Ada",
        email="ada@uni-hamburg.de",
        headline="Ada, Studentin at ETH",
        skills=[Skill(name="Python")],
        education=[pb.Education(institution="ETH Zürich", area="Physics")],
    )
    recruiter = an_owner()
    [card] = (await users.search(recruiter, skills=["python"], blind=True)).data
    assert (card.name, card.headline) == ("", "…, … at …")
    assert [(each.institution, each.area) for each in card.education] == [("", "Physics")]
    assert card.student_verified
    with pytest.raises(DomainError) as refusal:
        await users.search(recruiter, school="ETH", blind=True)
    assert [each.field for each in refusal.value.violations] == ["school"]


async def test_a_window_that_ends_before_it_begins_is_refused(users: UserHarness) -> None:
    with pytest.raises(DomainError) as refusal:
        await users.search(an_owner(), graduation_from="2027-02", graduation_to="2027-01")
    assert [each.field for each in refusal.value.violations] == ["graduationTo"]
