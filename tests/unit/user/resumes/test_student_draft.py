"""The draft of a profile: within the contract's rules, whatever was read."""

from dataclasses import replace

import protovalidate
from hypothesis import given
from hypothesis import strategies as st

from chassis.search.gazetteer import Gazetteer
from internshipconnect.user.v1 import user_pb2 as pb
from services.user.domain import (
    Education,
    Experience,
    Language,
    Location,
    ProfileKind,
    ProfileLink,
    Skill,
    check_profile,
    new_profile,
    normalise_profile,
)
from services.user.domain.resumes import ParsedResume, ReadValue, ResumeOutcome
from services.user.domain.resumes.reader import read_resume
from services.user.domain.resumes.student_draft import draft_student
from services.user.domain.resumes.text import ResumeText, TextLine
from services.user.mapping import entity_to_message
from services.user.resumes.parse import parse_to_outcome
from tests.unit.user.samples import USER
from verify.resumes.sample_set import generate_resumes


def violations_of(resume: ParsedResume) -> list[str]:
    """Return what contract and rules have against the draft."""
    before = new_profile(USER, ProfileKind.STUDENT)
    after = normalise_profile(replace(before, student=draft_student(resume)))
    message = entity_to_message(pb.StudentProfile, after.student)
    return [
        *(violation.field for violation in check_profile(before, after)),
        *(violation.proto.message for violation in protovalidate.collect_violations(message)),
    ]


def test_each_generated_resume_makes_a_draft_that_can_be_stored() -> None:
    for sample in generate_resumes():
        parsing = parse_to_outcome(sample.content, sample.style.media_type)

        assert parsing.outcome is ResumeOutcome.PARSED, sample.style.name
        assert parsing.resume is not None
        assert violations_of(parsing.resume) == [], sample.style.name


def test_values_that_are_rather_guesses_are_left_out() -> None:
    resume = ParsedResume(skills=(ReadValue(Skill("Python"), 0.9, ""), ReadValue(Skill("Tea"), 0.1, "")))

    assert [skill.name for skill in draft_student(resume).skills] == ["Python"]


def test_what_is_too_long_is_cut_and_what_is_repeated_stands_once() -> None:
    resume = ParsedResume(
        summary=ReadValue("a" * 9_000, 0.9, ""),
        location=ReadValue(Location("Berlin", "", "DE"), 0.9, ""),
        links=(ReadValue(ProfileLink("GitHub", "https://github.com/sam"), 0.9, ""),) * 30,
        education=(ReadValue(Education("b" * 500, "c" * 500, "d" * 500, "2027", "2024", "e" * 500), 0.9, ""),)
        * 30,
        experience=(ReadValue(Experience("f" * 500, "g" * 500, "2024", "", "h\n" * 3_000), 0.9, ""),) * 60,
        skills=(ReadValue(Skill("Python"), 0.9, ""), ReadValue(Skill("python"), 0.9, "")),
        languages=(ReadValue(Language("German", "B2"), 0.9, ""), ReadValue(Language("german"), 0.9, "")),
    )

    assert violations_of(resume) == []
    assert len(draft_student(resume).skills) == 1


_LINE = st.one_of(
    st.text(max_size=80),
    st.sampled_from(
        [
            *("EDUCATION", "Berufserfahrung", "Skills", "Languages", "Summary", "Contact"),
            *(
                "BSc Physics, Example University\t2021 – 2024",
                "Tutor, Example GmbH\t03/2024 – heute",
                "• Built",
            ),
            *("Python, Java (advanced)", "German (native), English: C1", "sam@example.org | +49 30 23125417"),
            *("linkedin.com/in/sam", "10115 Berlin", "Sam Okafor"),
        ]
    ),
)


@given(texts=st.lists(_LINE, max_size=25), targets=st.lists(st.text(max_size=60), max_size=3))
def test_whatever_text_is_read_makes_a_draft_that_can_be_stored(
    texts: list[str], targets: list[str], places: Gazetteer
) -> None:
    lines = tuple(
        TextLine(text, 10, is_bold=text.isupper()) for text in ["Sam Okafor and some more letters", *texts]
    )

    assert violations_of(read_resume(ResumeText(lines, tuple(targets)), places)) == []
