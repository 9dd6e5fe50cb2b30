"""Real CVs: years for dates, `Native` for `native`."""

from dataclasses import replace

import pytest

from internshipconnect.user.v1 import user_pb2 as pb
from services.user.domain import (
    Education,
    Experience,
    Language,
    ProfileCertificate,
    ProfileKind,
    Student,
    new_profile,
)
from services.user.domain.normalisation import normalise_profile
from services.user.domain.profile import check_profile
from services.user.mapping import entity_from_message, entity_to_message

PROFILE = replace(new_profile("usr_01JD0000000000000000000000", ProfileKind.STUDENT), name="Ada")


def refused(student: Student) -> list[str]:
    after = normalise_profile(replace(PROFILE, student=student))
    return [violation.field.removeprefix("student.") for violation in check_profile(PROFILE, after)]


@pytest.mark.parametrize(
    ("start", "end"),
    [
        ("2024", ""),
        ("2024", "2024"),
        ("2024-05", "2024"),
        ("2024", "2024-05"),
        ("2024-05-17", "2024-05"),
        ("2024-05-17", "2024-05-17"),
        ("2023", "2027-09"),
    ],
)
def test_partial_dates_are_understood_and_kept_as_they_are(start: str, end: str) -> None:
    student = Student(
        education=(Education("TU", start=start, end=end),),
        experience=(Experience("Acme", start=start, end=end),),
        certificates=(ProfileCertificate("Cisco", date=start),),
    )
    assert refused(student) == []
    assert entity_from_message(Student, entity_to_message(pb.StudentProfile, student)) == student


@pytest.mark.parametrize(
    ("start", "end"),
    [("2024", "2023"), ("2024-05", "2024-04"), ("2024-05", "2023"), ("2024-05-17", "2024-05-16")],
)
def test_an_end_that_is_certainly_before_the_start_is_refused(start: str, end: str) -> None:
    assert refused(Student(education=(Education("TU", start=start, end=end),))) == ["education[0].end"]


@pytest.mark.parametrize(
    "text", ["24", "2024-13", "2024-02-30", "May 2024", "2024/05", "0000", "2024-5", "x" * 30]
)
def test_what_is_no_date_is_refused_in_words(text: str) -> None:
    assert refused(Student(education=(Education("TU", start=text),))) == ["education[0].start"]
    assert refused(Student(certificates=(ProfileCertificate("Cisco", date=text),))) == [
        "certificates[0].date"
    ]


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        ("Native", "native"),
        ("NATIVE", "native"),
        ("native speaker", "native"),
        ("b2", "B2"),
        (" C1 ", "C1"),
        ("", ""),
    ],
)
def test_a_level_is_understood_however_it_is_spelled(written: str, kept: str) -> None:
    student = Student(languages=(Language("German", fluency=written),))
    after = normalise_profile(replace(PROFILE, student=student)).student
    assert after is not None
    assert after.languages[0].fluency == kept
    assert refused(student) == []


def test_what_is_no_level_is_refused() -> None:
    assert refused(Student(languages=(Language("German", fluency="D4"),))) == ["languages[0].fluency"]


@pytest.mark.parametrize(
    ("written", "kept"), [("DE", "de"), ("en_gb", "en-GB"), ("zh-hant-tw", "zh-Hant-TW"), ("", "")]
)
def test_a_locale_has_one_spelling(written: str, kept: str) -> None:
    assert normalise_profile(replace(PROFILE, locale=written)).locale == kept


def test_a_time_zone_has_one_spelling() -> None:
    assert normalise_profile(replace(PROFILE, time_zone="europe/berlin")).time_zone == "Europe/Berlin"
