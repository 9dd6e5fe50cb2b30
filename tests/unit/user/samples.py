"""A profile in which every field is filled."""

from datetime import UTC, datetime

from services.user.domain import (
    Availability,
    Education,
    Experience,
    Language,
    Location,
    Preferences,
    PreferredWorkMode,
    Profile,
    ProfileCertificate,
    ProfileKind,
    ProfileLink,
    Project,
    RegisteredAccount,
    Skill,
    SkillLevel,
    Student,
    Visibility,
)

NOW = datetime(2027, 1, 1, tzinfo=UTC)
USER = "usr_01JD0000000000000000000000"
COMPANY = "cmp_01JD0000000000000000000000"

STUDENT = Student(
    headline="Physicist who builds engines",
    summary="Analytical engines and their notes.",
    location=Location("Zürich", "ZH", "CH", 47.37, 8.54),
    links=(ProfileLink("Home", "https://ada.test"),),
    education=(Education("ETH Zürich", "Physics", "BSc", "2024-09", "2027-06", "5.5"),),
    experience=(Experience("Acme", "Intern", "2026-06", "2026-09", "Built things."),),
    projects=(Project("Notes", "https://notes.test", "On sketching engines", ("loom", "cards")),),
    skills=(Skill("Python", SkillLevel.EXPERT, "ic:python"), Skill("C++", id="ic:cpp")),
    languages=(Language("English", "native"),),
    certificates=(ProfileCertificate("Rigging", "Union", "2025-01", "https://union.test"),),
    availability=Availability("2027-03-01", "2027-09-30", 40),
    work_authorisation=("CH", "DE"),
    preferences=Preferences(
        ("engineering",), ("Bern",), (PreferredWorkMode.REMOTE, PreferredWorkMode.HYBRID), "CHF", 2500
    ),
    visibility=Visibility.RECRUITERS,
    blocked_company_ids=(COMPANY,),
    open_to_work=True,
)
PROFILE = Profile(
    USER,
    ProfileKind.STUDENT,
    name="Ada",
    email="ada@campus.test",
    time_zone="Europe/Zurich",
    locale="de-CH",
    student=STUDENT,
    email_verified=True,
    account_version=1,
    create_time=NOW,
    update_time=NOW,
    version=3,
)


def make_registration(
    name: str = "Ada", kind: ProfileKind = ProfileKind.STUDENT, company_id: str = "", version: int = 1
) -> RegisteredAccount:
    return RegisteredAccount(USER, "ada@campus.test", name, kind, company_id, version)
