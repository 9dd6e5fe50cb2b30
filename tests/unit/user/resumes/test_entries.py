"""Entries on education and experience."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chassis.search.gazetteer import Gazetteer
from services.user.domain.profile import Education, Experience
from services.user.domain.resumes.education import read_education
from services.user.domain.resumes.experience import read_experience
from services.user.domain.resumes.text import TextLine


def lines(*texts: str) -> list[TextLine]:
    return [TextLine(text, 10, is_bold=text.startswith("*")) for text in texts]


@pytest.mark.parametrize(
    "texts",
    [
        ("Tutor\tOct 2024 – Mar 2025", "Example School", "• Held classes"),
        ("Example School\tBerlin", "Tutor\tOct 2024 – Mar 2025", "• Held classes"),
        ("Tutor, Example School (10/2024 – 03/2025)", "• Held classes"),
        ("Tutor", "Example School | Oct 2024 – Mar 2025", "- Held classes"),
        ("Oct 2024 – Mar 2025", "Tutor", "Example School, Berlin", "• Held classes"),
        ("10/2024 – 03/2025\tTutor", "Example School", "• Held classes"),
        ("Tutor | Example School | Oct 2024 – Mar 2025", "• Held classes"),
        ("Tutor at Example School", "Oct 2024 – Mar 2025", "• Held classes"),
        ("Example School — Tutor", "October 2024 to March 2025 · Berlin", "• Held classes"),
        ("10.2024-03.2025\tExample School\tTutor", "• Held classes"),
        ("Tutor", "Example School", "Oct 2024 - Mar 2025 · 6 mos", "• Held classes"),
        ("10.2024-\tTutor", "03.2025\tExample School", "• Held classes"),
        ("Tutor", "Example School | Oktober 2024 – März", "2025", "• Held classes"),
        ("Tutor\tOctober 2024 –", "March 2025", "Example School", "• Held classes"),
        ("Tutor", "Example School", "Oct 2024 – Mar 2025 (6 months)", "• Held classes"),
    ],
)
def test_a_job_is_read_in_every_arrangement(texts: tuple[str, ...], places: Gazetteer) -> None:
    (found,) = read_experience(lines(*texts), places)

    assert found.value == Experience("Example School", "Tutor", "2024-10", "2025-03", "Held classes")
    assert "Held classes" in found.source


def test_several_jobs_are_told_apart_by_the_place_of_their_periods(places: Gazetteer) -> None:
    found = read_experience(
        lines(
            *("Tutor", "Example School | 2024 – 2025"),
            *("Barista", "Harbour Coffee | 2023 – 2024", "• Served guests", "• Trained colleagues"),
            *("Intern", "Example Labs | 2022 – 2023"),
        ),
        places,
    )

    assert [(job.value.position, job.value.organisation) for job in found] == [
        ("Tutor", "Example School"),
        ("Barista", "Harbour Coffee"),
        ("Intern", "Example Labs"),
    ]
    assert [job.value.summary for job in found] == ["", "Served guests\nTrained colleagues", ""]


def test_names_that_no_word_tells_apart_have_the_order_of_the_other_entries(places: Gazetteer) -> None:
    known = ("Example GmbH, Tutor\t2024 – 2025", "Beispiel AG, Praktikant\t2023 – 2024")
    found = read_experience(lines(*known, "Kompass, Kundenkontakt\t2022 – 2023"), places)

    assert (found[2].value.organisation, found[2].value.position) == ("Kompass", "Kundenkontakt")
    assert found[2].confidence < found[0].confidence


def test_an_item_that_is_divided_stays_one(places: Gazetteer) -> None:
    texts = [
        TextLine("Tutor, Example School\t2024 – 2025", 10, left=40),
        TextLine("• Held classes for students of the first", 10, left=50),
        TextLine("year and wrote exer-", 10, left=60),
        TextLine("cises", 10, left=60),
    ]

    assert (
        read_experience(texts, places)[0].value.summary
        == "Held classes for students of the first year and wrote exercises"
    )


def test_text_without_marks_below_a_head_is_the_summary(places: Gazetteer) -> None:
    texts = (
        "Example School",
        "Tutor",
        "October 2024 - Present (1 year 2 months)",
        "Berlin, Germany",
        "Held classes",
    )

    assert read_experience(lines(*texts), places)[0].value == Experience(
        "Example School", "Tutor", "2024-10", "", "Held classes"
    )


def test_a_city_with_its_state_is_no_part_of_a_company(places: Gazetteer) -> None:
    (found,) = read_experience(
        lines("Summer Intern, Acme Corp., New York, NY\tJun. 2024 - Aug. 2024"), places
    )

    assert (found.value.organisation, found.value.position) == ("Acme Corp.", "Summer Intern")


def test_a_title_that_is_divided_stays_one(places: Gazetteer) -> None:
    texts = [
        TextLine("Master of Arts in Graphic", 10, is_wrapped=True),
        TextLine("Design, Example University", 10),
    ]

    assert read_education(texts, places)[0].value == Education(
        "Example University", "Graphic Design", "Master of Arts"
    )


def test_a_job_that_goes_on_has_no_end(places: Gazetteer) -> None:
    (found,) = read_experience(lines("Werkstudent, Beispiel GmbH\tseit 03/2025"), places)

    assert (found.value.start, found.value.end) == ("2025-03", "")


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        (
            ("BSc Computer Science\t2024 – 2027", "Example University"),
            Education("Example University", "Computer Science", "BSc", "2024", "2027"),
        ),
        (
            ("Bachelor of Science in Physics, Example University (2024 – 2027)",),
            Education("Example University", "Physics", "Bachelor of Science", "2024", "2027"),
        ),
        (
            ("Universität Auental\tBerlin", "Informatik (B.Sc.)\t10/2024 – 09/2027", "Note: 1,7"),
            Education("Universität Auental", "Informatik", "B.Sc.", "2024-10", "2027-09", "1,7"),
        ),
        (
            ("2021 – 2024\tAbitur", "Gymnasium am Mühlbach"),
            Education("Gymnasium am Mühlbach", "", "Abitur", "2021", "2024"),
        ),
        (
            ("Example University | MSc Data Science | Oct 2024 – Sep 2026", "• GPA: 3.8/4.0"),
            Education("Example University", "Data Science", "MSc", "2024-10", "2026-09", "3.8/4.0"),
        ),
        (
            ("Bachelor of Science (B.Sc.) in Biologie an der Universität Auental\t2020 – 2023",),
            Education("Universität Auental", "Biologie", "Bachelor of Science", "2020", "2023"),
        ),
        (
            ("Masterstudium Maschinenbau", "Technische Universität Beispielstadt", "seit 10/2025"),
            Education("Technische Universität Beispielstadt", "Maschinenbau", "Masterstudium", "2025-10"),
        ),
        (
            ("08/2015 – 06/2023\tGymnasium Musterstadt", "Abschluss: Abitur (1,3)"),
            Education("Gymnasium Musterstadt", "", "Abitur", "2015-08", "2023-06", "1,3"),
        ),
        (
            (
                "Example Institute of Technology",
                "B.S. in Electrical Engineering, GPA 3.9/4.0\tExpected May 2027",
            ),
            Education(
                "Example Institute of Technology", "Electrical Engineering", "B.S.", "", "2027-05", "3.9/4.0"
            ),
        ),
        (
            ("High School Diploma, Northbridge High School\t2021",),
            Education("Northbridge High School", "", "High School Diploma", "", "2021"),
        ),
    ],
)
def test_a_course_of_study_is_read(texts: tuple[str, ...], expected: Education, places: Gazetteer) -> None:
    (found,) = read_education(lines(*texts), places)

    assert found.value == expected


def test_work_that_goes_on_may_say_so_in_the_next_line(places: Gazetteer) -> None:
    (found,) = read_experience(lines("03.2026-\tTutor", "heute\tExample School"), places)

    assert found.value == Experience("Example School", "Tutor", "2026-03")


def test_certainty_says_what_was_found(places: Gazetteer) -> None:
    whole, bare = read_education(
        lines("BSc Physics, Example University\t2021 – 2024", "", "Somewhere\t2019 – 2020"), places
    )

    assert whole.confidence > bare.confidence
    assert whole.parts.keys() == {"institution", "degree", "area", "start", "end"}
    assert bare.parts.keys() == {"institution", "start", "end"}


_TEXT = st.one_of(
    st.text(max_size=60),
    st.sampled_from(
        [
            "10/2024 – heute",
            "• Built",
            "BSc",
            "Tutor\t2024",
            "Example GmbH | Berlin | 2020 – 2021",
            "(",
            "Note: 1,7",
        ]
    ),
)


@given(texts=st.lists(_TEXT, max_size=12))
def test_no_text_makes_the_rules_fail(texts: list[str], places: Gazetteer) -> None:
    education, experience = read_education(lines(*texts), places), read_experience(lines(*texts), places)

    certainties = [(each.confidence, each.parts) for each in education]
    for confidence, parts in [*certainties, *((each.confidence, each.parts) for each in experience)]:
        assert 0 <= confidence <= 1
        assert all(0 < part <= 1 for part in parts.values())
