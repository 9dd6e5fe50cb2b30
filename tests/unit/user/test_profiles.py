from dataclasses import replace
from datetime import timedelta

import pytest

from chassis.errors import DomainError
from chassis.ids import new_id
from services.user.domain import (
    Availability,
    Company,
    Education,
    Experience,
    Language,
    Location,
    Preferences,
    Profile,
    ProfileKind,
    Skill,
    Student,
    Visibility,
    check_company,
    check_profile,
    new_profile,
    normalise_profile,
)
from services.user.domain.profile import MAX_CLAIM_AGE
from tests.unit.user.samples import COMPANY, NOW, PROFILE, STUDENT, USER, make_registration

OTHER_COMPANY = new_id("cmp")


def fields_refused(student: Student) -> list[str]:
    return [violation.field for violation in check_profile(PROFILE, replace(PROFILE, student=student))]


def test_a_full_profile_makes_sense() -> None:
    assert check_profile(new_profile(USER, ProfileKind.STUDENT), PROFILE) == ()


@pytest.mark.parametrize(
    ("student", "field"),
    [
        (
            Student(education=(Education("A"), Education("B", start="2027-01", end="2026-12"))),
            "education[1].end",
        ),
        (Student(experience=(Experience("A", start="2027-01", end="2026-12"),)), "experience[0].end"),
        (Student(availability=Availability("2027-03-01", "2027-02-28")), "availability.to"),
        (Student(availability=Availability("2027-02-30")), "availability.from"),
        (Student(location=Location("Bern", lat=46.9)), "location.lng"),
        (Student(skills=(Skill("Python"), Skill(" python"))), "skills[1].name"),
        (Student(languages=(Language("English"), Language("English"))), "languages[1].name"),
        (Student(preferences=Preferences(min_hourly_pay_minor=1)), "preferences.currency"),
    ],
)
def test_what_does_not_make_sense_is_refused_by_field(student: Student, field: str) -> None:
    assert fields_refused(student) == [f"student.{field}"]


def test_a_known_skill_gets_its_id_and_free_text_none() -> None:
    student = Student(skills=(Skill("k8s"), Skill("Kite building"), Skill("Go", id="ic:go")))
    after = normalise_profile(replace(PROFILE, student=student)).student
    assert after is not None
    assert [skill.id for skill in after.skills] == ["ic:kubernetes", "", "ic:go"]
    assert [skill.name for skill in after.skills] == ["k8s", "Kite building", "Go"]
    assert fields_refused(after) == []


@pytest.mark.parametrize("skill", [Skill("Rust", id="ic:python"), Skill("Rust", id="ic:unknown")])
def test_an_id_that_is_not_the_names_is_refused(skill: Skill) -> None:
    assert fields_refused(Student(skills=(Skill("Go"), skill))) == ["student.skills[1].id"]


def test_a_skill_keeps_an_id_that_the_taxonomy_has_lost_until_it_is_changed() -> None:
    kept = replace(PROFILE, student=replace(STUDENT, skills=(Skill("Gopher", id="ic:gopher"),)))
    other = replace(kept, student=replace(kept.student or STUDENT, headline="Another"))
    assert check_profile(kept, other) == ()
    renamed = replace(kept, student=replace(STUDENT, skills=(Skill("Gopher 2", id="ic:gopher"),)))
    assert [each.field for each in check_profile(kept, renamed)] == ["student.skills[0].id"]


def test_an_open_end_and_the_same_month_make_sense() -> None:
    education = (Education("A", start="2027-01"), Education("B", start="2027-01", end="2027-01"))
    assert fields_refused(Student(education=education)) == []


def test_everything_wrong_is_named_at_once() -> None:
    after = replace(PROFILE, name=" ", time_zone="Mars/Olympus")
    assert [violation.field for violation in check_profile(PROFILE, after)] == ["name", "timeZone"]


def test_a_profile_without_a_name_yet_may_change_otherwise() -> None:
    before = new_profile(USER, ProfileKind.STUDENT)
    assert check_profile(before, replace(before, locale="de")) == ()


def test_only_students_have_a_student_part() -> None:
    before = new_profile(USER, ProfileKind.COMPANY, COMPANY)
    [violation] = check_profile(before, replace(before, student=Student()))
    assert violation.field == "student"


def test_a_new_students_profile_is_seen_only_where_they_apply() -> None:
    student = new_profile(USER, ProfileKind.STUDENT).student
    assert student is not None
    assert student.visibility is Visibility.WHEN_I_APPLY


def test_the_news_of_a_registration_fills_only_what_is_empty() -> None:
    edited = replace(new_profile(USER, ProfileKind.STUDENT), name="Ada L.", locale="de", student=STUDENT)
    after = edited.with_registration(make_registration())
    assert (after.name, after.email, after.locale) == ("Ada L.", "ada@campus.test", "de")
    assert after.student == STUDENT


def test_the_same_news_twice_changes_nothing() -> None:
    once = new_profile(USER, ProfileKind.STUDENT).with_registration(make_registration())
    assert once.with_registration(make_registration()) is once


def test_older_news_changes_nothing() -> None:
    later = new_profile(USER, ProfileKind.STUDENT).with_registration(make_registration("Ada", version=2))
    assert later.with_registration(make_registration("Eve")) is later


def test_another_registration_of_the_address_starts_the_profile_over() -> None:
    eves = replace(
        new_profile(USER, ProfileKind.COMPANY, COMPANY).with_registration(make_registration("Eve")),
        locale="xx",
        version=4,
    )
    adas = eves.with_registration(make_registration("Ada", version=2))
    expected = Profile(
        USER,
        ProfileKind.STUDENT,
        name="Ada",
        email="ada@campus.test",
        student=Student(),
        account_version=2,
        version=4,
    )
    assert adas == expected


def test_an_address_that_was_proven_stays_so_when_the_news_comes_late() -> None:
    proven = (
        new_profile(USER, ProfileKind.STUDENT)
        .with_registration(make_registration("Eve"))
        .with_verified_email()
    )
    assert proven.with_registration(make_registration("Ada", version=2)).email_verified


def test_a_companys_page_keeps_the_name_that_a_member_gave_it() -> None:
    assert Company(COMPANY).with_registered_name("Acme").name == "Acme"
    assert Company(COMPANY, "Acme AG").with_registered_name("Acme").name == "Acme AG"


def test_what_is_wrong_with_a_companys_page_is_named_at_once() -> None:
    before = Company(COMPANY, "Acme")
    after = replace(before, name="", locations=(Location("Bern"), Location("Basel", lng=7.5)))
    assert [violation.field for violation in check_company(before, after)] == ["name", "locations[1].lat"]


def test_a_person_claims_one_company_at_a_time_and_each_membership_has_a_number() -> None:
    person = new_profile(USER, ProfileKind.COMPANY)
    claimed = person.with_company_claim(COMPANY, NOW)
    assert (claimed.company_id, claimed.membership_number, claimed.claim_time) == (COMPANY, 1, NOW)
    assert claimed.with_company_claim(COMPANY, NOW) == claimed
    with pytest.raises(DomainError) as failure:
        claimed.with_company_claim(OTHER_COMPANY, NOW)
    assert failure.value.reason == "ALREADY_IN_COMPANY"
    left = claimed.without_membership(COMPANY, 1)
    assert (left.company_id, left.claim_time) == ("", None)
    assert left.with_company_claim(OTHER_COMPANY, NOW).membership_number > claimed.membership_number


def test_only_the_end_of_the_present_membership_ends_it() -> None:
    member = new_profile(USER, ProfileKind.COMPANY).with_company_claim(COMPANY, NOW)
    assert member.without_membership(COMPANY, 0) == member
    assert member.without_membership(OTHER_COMPANY, 1) == member
    confirmed = member.with_confirmed_membership(COMPANY, 1)
    assert (confirmed.claim_time, confirmed.company_id) == (None, COMPANY)
    assert member.with_confirmed_membership(COMPANY, 2) == member


def test_a_claim_grows_stale_after_a_minute_unless_it_is_confirmed() -> None:
    member = new_profile(USER, ProfileKind.COMPANY).with_company_claim(COMPANY, NOW)
    assert not member.has_stale_claim(NOW + MAX_CLAIM_AGE)
    later = NOW + MAX_CLAIM_AGE + timedelta(seconds=1)
    assert member.has_stale_claim(later)
    assert not member.with_confirmed_membership(COMPANY, 1).has_stale_claim(later)


def test_the_company_of_a_late_registration_does_not_replace_the_one_that_was_joined() -> None:
    registered = make_registration(version=1)
    joined = new_profile(USER, ProfileKind.COMPANY).with_company_claim(OTHER_COMPANY, NOW)
    late = joined.with_registration(replace(registered, kind=ProfileKind.COMPANY, company_id=COMPANY))
    assert (late.company_id, late.membership_number) == (OTHER_COMPANY, 1)
    later = late.with_registration(
        replace(registered, kind=ProfileKind.COMPANY, company_id=COMPANY, account_version=9)
    )
    assert (later.company_id, later.membership_number) == (OTHER_COMPANY, 1)
