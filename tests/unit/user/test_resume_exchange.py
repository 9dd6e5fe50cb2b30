"""Profiles leave as JSON Resumes and come back as they were."""

from dataclasses import replace
from typing import Any

import jsonschema
import pytest
from google.protobuf.struct_pb2 import Struct
from hypothesis import given, settings
from hypothesis import strategies as st

from chassis.errors import DomainError
from services.user.domain import (
    Experience,
    Language,
    Profile,
    ProfileCertificate,
    ProfileKind,
    ProfileLink,
    Skill,
    SkillLevel,
    Student,
    Visibility,
    check_profile,
    new_profile,
)
from services.user.domain.normalisation import normalise_profile
from services.user.domain.resume_export import export_json_resume, join_highlights, split_highlights
from services.user.domain.resume_fields import MAX_NOTES
from services.user.domain.resume_import import MAX_PROBLEMS, ResumeDraft, read_json_resume
from services.user.profile_mapping import MAX_RESUME_VALUES, ContractProfileRules, document_from_struct
from tests.unit.user.json_resume_schema import JSON_RESUME_SCHEMA
from tests.unit.user.profile_strategies import STUDENTS, texts
from tests.unit.user.samples import PROFILE, STUDENT, USER

RULES = ContractProfileRules()
EMPTY = new_profile(USER, ProfileKind.STUDENT)
SCHEMA = jsonschema.Draft4Validator(JSON_RESUME_SCHEMA)


def over_the_wire(document: dict[str, Any]) -> dict[str, Any]:
    """Return the document as it arrives: numbers are doubles then."""
    message = Struct()
    message.update(document)
    return document_from_struct(Struct.FromString(message.SerializeToString()))


def imported(document: dict[str, Any], profile: Profile = EMPTY) -> tuple[Student, ResumeDraft]:
    draft = read_json_resume(over_the_wire(document), profile, RULES)
    student = draft.apply_to(profile).student
    assert student is not None
    return student, draft


def problems(document: dict[str, Any]) -> dict[str, str]:
    return {note.path: note.problem for note in imported(document)[1].notes}


def travelling(student: Student) -> Student:
    """Return the student without the settings that stay."""
    return replace(student, visibility=Visibility.WHEN_I_APPLY, blocked_company_ids=(), open_to_work=None)


@given(STUDENTS, texts())
@settings(max_examples=200)
def test_a_profile_comes_back_as_it_left_and_the_document_keeps_the_schema(
    student: Student, name: str
) -> None:
    profile = normalise_profile(replace(PROFILE, name=name, student=student))
    assert check_profile(EMPTY, profile) == ()
    document = export_json_resume(profile)
    SCHEMA.validate(document)
    draft = read_json_resume(over_the_wire(document), replace(EMPTY, email=profile.email), RULES)
    assert draft.notes == ()
    back = draft.apply_to(EMPTY)
    assert (back.name, back.student) == (name, profile.student)


def test_every_field_of_a_profile_travels_but_the_settings() -> None:
    student, draft = imported(export_json_resume(PROFILE), PROFILE)
    assert draft.notes == ()
    assert student == normalise_profile(PROFILE).student
    alone, _ = imported(export_json_resume(PROFILE), replace(EMPTY, email=PROFILE.email))
    assert alone == travelling(student)


def test_an_import_leaves_the_settings_and_the_sections_that_the_document_lacks() -> None:
    profile = replace(PROFILE, student=replace(STUDENT, open_to_work=True))
    student, _ = imported({"basics": {"label": "New"}, "languages": []}, profile)
    assert student == replace(normalise_profile(profile).student or Student(), headline="New", languages=())


COMPLETE: dict[str, Any] = {
    "$schema": "https://example.org/schema.json",
    "basics": {
        "name": "Sam Okafor",
        "label": "Student",
        "image": "https://example.org/me.png",
        "email": "sam@example.org",
        "phone": "+49 30 1234567",
        "url": "https://sam.example.org",
        "summary": "Likes data.",
        "location": {
            "address": "Example Street 1",
            "postalCode": "10115",
            "city": "Berlin",
            "countryCode": "DE",
            "region": "Berlin",
        },
        "profiles": [
            {"network": "Code", "username": "sam", "url": "https://code.example.org/sam"},
            {"network": "Chat", "username": "sam"},
        ],
    },
    "work": [
        {
            "name": "Example GmbH",
            "location": "Berlin",
            "description": "Maps",
            "position": "Working student",
            "url": "https://example.org",
            "startDate": "2025-03",
            "endDate": "Present",
            "summary": "Built a dashboard.",
            "highlights": ["Twice as fast", "Half the cost"],
        }
    ],
    "volunteer": [{"organization": "Library", "position": "Reader", "startDate": 2024}],
    "education": [
        {
            "institution": "TU Berlin",
            "url": "https://tu.example.org",
            "area": "Computer Science",
            "studyType": "BSc",
            "startDate": "2024-10-01T00:00:00Z",
            "endDate": "2027-09",
            "score": 1.7,
            "courses": ["Databases"],
        }
    ],
    "awards": [{"title": "Prize", "date": "2024-11", "awarder": "City", "summary": "For maps."}],
    "certificates": [{"name": "Scrum", "date": "2026-04", "issuer": "Institute", "url": "https://c.example.org"}],
    "publications": [{"name": "On maps"}],
    "skills": [
        {"name": "Web Development", "level": "Master", "keywords": ["HTML", "CSS", "html"]},
        {"name": "Python", "level": "wizard"},
    ],
    "languages": [
        {"language": "German", "fluency": "Native speaker"},
        {"language": "English", "fluency": "Fluent"},
    ],
    "interests": [{"name": "Chess"}],
    "references": [{"name": "Somebody", "reference": "Good."}],
    "projects": [
        {
            "name": "Routes",
            "description": "Finds ways.",
            "highlights": ["No hills"],
            "keywords": ["Python"],
            "startDate": "2025",
            "url": "https://routes.example.org",
            "roles": ["Author"],
            "entity": "Club",
            "type": "application",
        }
    ],
    "meta": {"version": "v1.0.0", "theme": "plain"},
}  # fmt: skip


def test_a_document_of_another_program_is_taken_over() -> None:
    student, _ = imported(COMPLETE)
    assert (student.headline, student.summary) == ("Student", "Likes data.")
    assert student.links == (
        ProfileLink("Website", "https://sam.example.org"),
        ProfileLink("Code", "https://code.example.org/sam"),
    )
    assert student.experience == (
        Experience(
            "Example GmbH", "Working student", "2025-03", "",
            "Built a dashboard.\n- Twice as fast\n- Half the cost",
        ),
        Experience("Library", "Reader", "2024"),
    )  # fmt: skip
    [studies] = student.education
    assert (studies.institution, studies.start, studies.score) == ("TU Berlin", "2024-10-01", "1.7")
    assert student.certificates == (
        ProfileCertificate("Scrum", "Institute", "2026-04", "https://c.example.org"),
        ProfileCertificate("Prize", "City", "2024-11"),
    )
    assert student.skills == (
        Skill("Web Development", SkillLevel.EXPERT),
        Skill("HTML", SkillLevel.EXPERT, "ic:html"),
        Skill("CSS", SkillLevel.EXPERT, "ic:css"),
        Skill("Python", id="ic:python"),
    )
    assert student.languages == (Language("German", "native"), Language("English"))
    assert student.projects[0].summary == "Finds ways.\n- No hills"


def test_what_has_no_place_is_listed_and_nothing_else_is() -> None:
    assert set(problems(COMPLETE)) == {
        "basics.image",
        "basics.email",
        "basics.phone",
        "basics.location.address",
        "basics.location.postalCode",
        "basics.profiles[1]",
        "work[0].location",
        "work[0].description",
        "work[0].url",
        "education[0].url",
        "education[0].courses",
        "awards[0].summary",
        "skills[1].level",
        "skills",
        "languages[1].fluency",
        "projects[0].startDate",
        "projects[0].roles",
        "projects[0].entity",
        "projects[0].type",
        "publications",
        "interests",
        "references",
    }  # fmt: skip


def test_an_import_keeps_on_the_next_export_what_the_profile_has() -> None:
    student, _ = imported(COMPLETE)
    again = export_json_resume(replace(EMPTY, name="Sam Okafor", student=student))
    assert again["basics"]["label"] == "Student"
    assert again["work"][0]["highlights"] == ["Twice as fast", "Half the cost"]
    assert again["education"][0]["area"] == "Computer Science"
    assert [each["name"] for each in again["certificates"]] == ["Scrum", "Prize"]
    assert again["projects"][0]["description"] == "Finds ways."
    SCHEMA.validate(again)


@pytest.mark.parametrize(
    ("document", "path", "words"),
    [
        ({"work": [{"name": "A", "startDate": "2024-13"}]}, "work[0].startDate", "no 2024-13"),
        ({"work": [{"name": "A", "startDate": "2025", "endDate": "2024"}]}, "work[0].endDate", "before"),
        ({"work": [{"position": "P"}]}, "work[0].name", "left out"),
        ({"education": [{"institution": "x" * 161}]}, "education[0].institution", "160"),
        ({"basics": {"label": "x" * 161}}, "basics.label", "160"),
        ({"basics": {"name": "x" * 121}}, "basics.name", "too long"),
        ({"basics": {"location": {"city": "Rome", "countryCode": "Italy"}}},
         "basics.location.countryCode", ""),
        ({"basics": {"url": "javascript:alert(1)"}}, "basics.url", "left out"),
        ({"projects": [{"name": "P", "keywords": ["x" * 61, "y"]}]}, "projects[0].keywords[0]", "60"),
        ({"skills": "Python"}, "skills", "no list"),
        ({"work": {"name": "A"}}, "work", "no list"),
        ({"work": ["A"]}, "work[0]", "no object"),
        ({"basics": []}, "basics", "no object"),
        ({"work": [{"name": "A", "position": ["P"]}]}, "work[0].position", "no text"),
        ({"hobbies": ["chess"]}, "hobbies", "no place"),
        ({"basics": {"location": {"city": "Rome", "lat": 41.9}}}, "basics.location", "belong together"),
        ({"meta": {"internshipconnect": {"preferences": {"minHourlyPayMinor": 9}}}},
         "meta.internshipconnect.preferences.minHourlyPayMinor", "currency"),
        ({"meta": {"internshipconnect": {"availability": {"from": "2027-02-30"}}}},
         "meta.internshipconnect.availability.from", "no day"),
        ({"meta": {"internshipconnect": {"availability": {"from": "2027-03-01", "to": "2027-02-01"}}}},
         "meta.internshipconnect.availability.to", "before"),
        ({"meta": {"internshipconnect": {"workAuthorisation": ["DE", "XX"]}}},
         "meta.internshipconnect.workAuthorisation[1]", ""),
        ({"meta": {"internshipconnect": {"visibility": "RECRUITERS"}}},
         "meta.internshipconnect.visibility", "no place"),
    ],
)  # fmt: skip
def test_what_breaks_a_rule_is_left_out_with_its_place_and_the_reason(
    document: dict[str, Any], path: str, words: str
) -> None:
    found = problems(document)
    assert path in found, found
    assert words in found[path]


def test_the_rest_of_a_part_survives_a_wrong_value() -> None:
    student, _ = imported({"work": [{"name": "A", "startDate": "24", "position": "P"}, {"position": "Q"}]})
    assert student.experience == (Experience("A", "P"),)
    student, _ = imported({"meta": {"internshipconnect": {"workAuthorisation": ["DE", "XX"]}}})
    assert student.work_authorisation == ("DE",)


def test_line_breaks_and_invisible_characters_are_mended_without_a_note() -> None:
    student, draft = imported(
        {"basics": {"label": "A\u202e\nB"}, "work": [{"name": "C\tD", "summary": "E\r\nF\x07"}]}
    )
    assert (student.headline, student.experience) == ("A B", (Experience("C D", summary="E\nF"),))
    assert draft.notes == ()


def test_more_parts_than_a_profile_has_are_cut_and_counted() -> None:
    document = {"skills": [{"name": f"Skill {number}"} for number in range(70)]}
    student, draft = imported(document)
    assert len(student.skills) == 60
    assert [(note.path, note.problem) for note in draft.notes] == [
        ("skills[60]", "left out, with those after it: 10 too many")
    ]


def test_a_flood_of_wrong_values_gets_a_bounded_answer() -> None:
    document = {f"key {number}": "x" for number in range(500)}
    _, draft = imported(document)
    assert (len(draft.notes), draft.more_notes) == (MAX_NOTES, 500 - MAX_NOTES)


def test_a_flood_of_wrong_parts_ends_within_bounds() -> None:
    wrong = {"name": "A", "startDate": "x", "endDate": "x", "position": "x" * 200}
    document = {"work": [wrong] * 150, "volunteer": [{"organization": "B", **wrong}] * 150}
    student, draft = imported(document)
    assert student.experience == (Experience("A"),) * (MAX_PROBLEMS // 3)
    assert (len(draft.notes), draft.more_notes > 50) == (MAX_NOTES, True)
    skills = {"skills": [{"name": f"S{number}", "keywords": [f"K{number}"]} for number in range(55)]}
    student, draft = imported(skills)
    assert len(student.skills) == 60
    assert [note.path for note in draft.notes] == ["skills[50].name", "skills"]


def test_a_document_with_too_many_values_is_refused() -> None:
    message = Struct()
    message.update({"work": [{} for _ in range(MAX_RESUME_VALUES)]})
    with pytest.raises(DomainError) as refusal:
        document_from_struct(message)
    assert refusal.value.violations[0].field == "resume"


_KEYS = {
    "name", "label", "url", "location", "city", "countryCode", "lat", "lng", "profiles", "network",
    "startDate", "endDate", "summary", "highlights", "keywords", "institution", "language", "fluency",
    "level", "basics", "work", "education", "skills", "languages", "projects", "meta",
    "internshipconnect", "availability", "preferences", "hoursPerWeek", "workModes",
    "minHourlyPayMinor", "workAuthorisation", "from", "to", "x",
}  # fmt: skip
JSON_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.floats()
    | st.text(max_size=20)
    | st.sampled_from(["2024", "DE", "https://a.b"]),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(sorted(_KEYS)), inner, max_size=4)
    ),
    max_leaves=25,
)


@given(st.dictionaries(st.sampled_from(sorted(_KEYS)), JSON_VALUES, max_size=6))
@settings(max_examples=200)
def test_no_document_makes_a_profile_that_breaks_the_rules(document: dict[str, Any]) -> None:
    after = read_json_resume(over_the_wire(document), PROFILE, RULES).apply_to(PROFILE)
    assert check_profile(PROFILE, after) == ()
    assert list(RULES.find_violations(replace(after, id="", company_id=""))) == []


@given(st.text(st.sampled_from("ab -\n"), max_size=30))
def test_highlights_can_be_joined_again(text: str) -> None:
    assert join_highlights(*split_highlights(text)) == text
