import pytest

from chassis.call_context import Principal
from chassis.errors import DomainError
from chassis.search.gazetteer import shared_gazetteer
from internshipconnect.common.v1 import common_pb2 as common
from internshipconnect.common.v1.common_pb2 import Location, Skill
from internshipconnect.user.v1 import user_pb2 as pb
from services.user.repository import ProfileRepository
from tests.integration.user.conftest import UserHarness, a_student, an_owner


async def some_students(users: UserHarness) -> None:
    await users.found_student(
        "Ada",
        headline="Building analytical engines",
        location=Location(city="Zürich", country="CH"),
        skills=[Skill(name="Python"), Skill(name="C++")],
    )
    await users.found_student(
        "Bob",
        headline="Engine tuning",
        location=Location(city="Bern", country="CH"),
        skills=[Skill(name="Python")],
    )
    await users.found_student("Cleo", headline="Painter", location=Location(city="Zürich", country="CH"))


async def test_students_are_found_by_words_skills_and_place_all_at_once(users: UserHarness) -> None:
    await some_students(users)
    recruiter = an_owner()
    assert await users.names(recruiter) == ["Cleo", "Bob", "Ada"]
    assert await users.names(recruiter, q="engine") == ["Bob", "Ada"]
    assert await users.names(recruiter, q="engine builds") == ["Ada"]
    assert await users.names(recruiter, skills=["python", "c++"]) == ["Ada"]
    assert await users.names(recruiter, city="zurich") == ["Cleo", "Ada"]
    assert await users.names(recruiter, q="engine", city="Bern", country="CH", skills=["Python"]) == ["Bob"]
    assert await users.names(recruiter, country="DE") == []


async def test_pages_follow_each_other_over_all_shards_without_gap_or_repeat(users: UserHarness) -> None:
    for number in range(7):
        await users.found_student(f"S{number}")
    recruiter, seen, token = an_owner(), list[str](), ""
    while True:
        page = await users.search(recruiter, page_size=3, page_token=token)
        seen += [card.name for card in page.data]
        token = page.next_page_token
        if not token:
            break
    assert seen == [f"S{number}" for number in range(6, -1, -1)]


async def test_the_last_full_page_has_no_token(users: UserHarness) -> None:
    for number in range(3):
        await users.found_student(f"S{number}")
    assert (await users.search(an_owner(), page_size=3)).next_page_token == ""


async def test_a_page_token_is_good_for_its_own_query_only(users: UserHarness) -> None:
    for number in range(3):
        await users.found_student(f"S{number}")
    recruiter = an_owner()
    token = (await users.search(recruiter, page_size=1)).next_page_token
    with pytest.raises(DomainError) as failure:
        await users.search(recruiter, page_size=1, q="other", page_token=token)
    assert failure.value.reason == "INVALID_PAGE_TOKEN"


async def test_a_blocked_company_does_not_see_the_student_and_others_do(users: UserHarness) -> None:
    blocked, other = an_owner(), an_owner()
    await users.found_student("Ada", blocked_company_ids=[blocked.org])
    assert await users.names(blocked) == []
    assert await users.names(other) == ["Ada"]


async def test_a_student_who_hides_again_is_gone_at_once(users: UserHarness) -> None:
    student = await users.found_student("Ada")
    hidden = pb.StudentProfile(visibility=pb.VISIBILITY_NOBODY)
    await users.update_me(student, pb.Me(student=hidden))
    assert await users.names(an_owner()) == []


async def test_only_students_with_a_proven_address_are_found(users: UserHarness) -> None:
    student: Principal = a_student()
    await users.registered(student, "Ada")
    visible = pb.StudentProfile(visibility=pb.VISIBILITY_RECRUITERS)
    await users.update_me(student, pb.Me(student=visible))
    assert await users.names(an_owner()) == []
    await users.verified(student)
    assert await users.names(an_owner()) == ["Ada"]


async def test_a_card_shows_no_more_than_a_card(users: UserHarness) -> None:
    await users.found_student("Ada", headline="Physicist", summary="Long", skills=[Skill(name="Python")])
    [card] = (await users.search(an_owner())).data
    assert (card.name, card.headline, card.skills[0].name) == ("Ada", "Physicist", "Python")


@pytest.mark.parametrize(
    ("wanted", "index"),
    [
        ({"words": {"$all": ["engin"]}}, "by_word"),
        ({"skill_keys": {"$all": ["python"]}}, "by_skill"),
        ({"city_key": "bern"}, "by_city"),
        ({"country": "CH"}, "by_country"),
        ({"school_words": {"$all": ["eth"]}}, "by_school"),
        ({"field_terms": {"$all": ["physics"]}}, "by_field"),
    ],
)
async def test_each_condition_has_an_index_that_gives_the_order(
    users: UserHarness, wanted: dict[str, object], index: str
) -> None:
    for shard in users.shards.all_shards():
        found = await shard.db["student_search"].find(wanted).sort("_id", -1).hint(index).explain()
        assert "SORT" not in str(found["queryPlanner"]["winningPlan"])


async def test_students_are_found_by_what_recruiters_type(users: UserHarness) -> None:
    await some_students(users)
    recruiter = an_owner()
    await users.students.load_vocabulary()
    assert await users.names(recruiter, q="python") == ["Bob", "Ada"]
    assert await users.names(recruiter, q="cpp") == ["Ada"]
    assert await users.names(recruiter, q="pyth") == ["Bob", "Ada"]
    assert await users.names(recruiter, q="pyhton students in zuerich") == ["Ada"]
    assert await users.names(recruiter, q="painters switzerland") == ["Cleo"]
    assert await users.names(recruiter, city="Цюрих") == ["Cleo", "Ada"]
    assert await users.names(recruiter, q="🚀") == []
    assert "letters or digits" in (await users.search(recruiter, q="!!!")).note


async def test_the_answer_says_how_the_words_were_read(users: UserHarness) -> None:
    await some_students(users)
    await users.students.load_vocabulary()
    found = await users.search(an_owner(), q="pyhton berne")
    assert [(each.name, each.value) for each in found.applied_filters] == [("city", "Bern")]
    assert (found.did_you_mean, found.match_kind) == ("python berne", common.MATCH_KIND_ALL)
    assert not (await users.search(an_owner(), q="python berne", literal=True)).applied_filters


async def test_those_with_most_of_the_words_are_found_where_nobody_has_all(users: UserHarness) -> None:
    await some_students(users)
    await users.students.load_vocabulary()
    recruiter = an_owner()
    found = await users.search(recruiter, q="python c++ painting haskell", page_size=1)
    assert ([card.name for card in found.data], found.match_kind) == (["Ada"], common.MATCH_KIND_PARTIAL)


async def test_an_entry_of_an_older_format_is_rebuilt(users: UserHarness) -> None:
    student = await users.found_student("Ada", skills=[Skill(name="Python")])
    entries = users.shards.shard_for(student.id).db["student_search"]
    new = await entries.find_one({"_id": student.id})
    await entries.update_one(
        {"_id": student.id}, {"$unset": {"format": 1, "impacts": 1}, "$set": {"words": ["x"]}}
    )
    await ProfileRepository(users.shards, shared_gazetteer()).upgrade_outdated_entries()
    assert await entries.find_one({"_id": student.id}) == new


async def test_an_unknown_word_beside_words_that_every_student_means_empties_no_list(
    users: UserHarness,
) -> None:
    await some_students(users)
    await users.students.load_vocabulary()
    found = await users.search(an_owner(), q="foobar students", page_size=2)
    assert [card.name for card in found.data] == ["Cleo", "Bob"]
    assert (found.match_kind, found.did_you_mean) == (common.MATCH_KIND_PARTIAL, "")
    recruiter = an_owner()
    first = await users.search(recruiter, q="foobar students", page_size=2)
    rest = await users.search(recruiter, q="foobar students", page_size=2, page_token=first.next_page_token)
    assert ([card.name for card in rest.data], rest.match_kind) == (["Ada"], common.MATCH_KIND_PARTIAL)
    assert await users.names(an_owner(), q="foobar ") == []


async def test_every_page_says_how_many_students_match(users: UserHarness) -> None:
    await some_students(users)
    await users.students.load_vocabulary()
    recruiter = an_owner()
    for query, total in (({}, 3), ({"q": "python"}, 2), ({"q": "python haskell"}, 2), ({"city": "Paris"}, 0)):
        found = await users.search(recruiter, page_size=1, **query)
        assert (found.total_size, found.total_is_estimate) == (total, False), query
        if found.next_page_token:
            later = await users.search(recruiter, page_size=1, page_token=found.next_page_token, **query)
            assert (later.total_size, later.total_is_estimate) == (total, False)


async def test_a_total_beyond_what_is_counted_is_an_estimate(
    users: UserHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    await some_students(users)
    await users.students.load_vocabulary()
    monkeypatch.setattr("chassis.search.totals.MAX_COUNTED_MATCHES", 0)
    found = await users.search(an_owner(), page_size=1)
    assert (found.total_size, found.total_is_estimate) == (3, True)
