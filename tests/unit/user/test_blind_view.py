from dataclasses import fields, is_dataclass, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chassis.search.gazetteer import shared_gazetteer
from chassis.search.text_analysis import STOPWORDS, compose_nfc, tokenize
from services.user.domain import (
    Education,
    Experience,
    ProfileCertificate,
    Project,
    Student,
    Visibility,
    build_student_entry,
)
from services.user.domain.blind_view import (
    blind_entry,
    blind_profile,
    blind_texts,
    blind_visible_student,
    is_gendered,
)
from services.user.domain.visible_student import visible_student
from tests.unit.user.samples import PROFILE, STUDENT

NAME = "Zoë Okafor-Lindt"
TELLING = replace(
    STUDENT,
    headline="Zoe Okafor, Studentin der ETH Zürich",
    summary="She wrote to zoe@okafor.test and https://okafor.test; ETH and OKAFOR know her. Berlin is fine.",
    experience=(Experience("Lindt AG", "Praktikantin", summary="He told Zoë's team about Zürich."),),
    projects=(Project("Okafor's notes", "https://okafor.test", "For women in tech", ("zoë", "cards")),),
    certificates=(ProfileCertificate("Ethics", "ETH Zürich", url="https://ethz.test/okafor"),),
)


def texts_in(value: Any) -> list[str]:
    if isinstance(value, str):
        return [value]
    if isinstance(value, tuple):
        return [text for each in value for text in texts_in(each)]
    if is_dataclass(value) and not isinstance(value, type):
        return [text for each in fields(value) for text in texts_in(getattr(value, each.name))]
    return []


def words_in(value: Any) -> set[str]:
    return {token.folded for text in texts_in(value) for token in tokenize(compose_nfc(text))}


def test_name_links_and_schools_are_gone_and_studies_stay() -> None:
    shown = blind_profile(NAME, TELLING)
    assert shown.links == ()
    assert [(each.institution, each.area, each.degree, each.end) for each in shown.education] == [
        ("", "Physics", "BSc", "2027-06")
    ]
    assert (shown.projects[0].url, shown.certificates[0].url) == ("", "")
    assert shown.location is not None
    assert (shown.location.city, shown.location.lat, shown.location.lng) == ("Zürich", None, None)
    assert (shown.skills, shown.languages, shown.availability) == (
        TELLING.skills,
        TELLING.languages,
        TELLING.availability,
    )


def test_texts_lose_the_words_that_tell_who_it_is() -> None:
    shown = blind_profile(NAME, TELLING)
    assert shown.headline == "…, … der …"
    assert shown.summary == "… wrote to … and … and … know …. Berlin is fine."
    assert words_in(shown).isdisjoint({"zoe", "okafor", "lindt", "eth", "she", "her", "he", "women"})
    assert shown.experience[0].summary == "… told …'s team about Zürich."
    assert "cards" in words_in(shown)


def test_a_card_and_an_opened_profile_hide_the_same() -> None:
    profile = replace(
        PROFILE, name=NAME, email="zoe@uni-hamburg.de",
        student=replace(TELLING, visibility=Visibility.RECRUITERS),
    )  # fmt: skip
    entry = build_student_entry(profile, shared_gazetteer())
    assert entry is not None
    card, opened = blind_entry(entry), blind_visible_student(visible_student(profile))
    assert (card.name, opened.name, opened.verified_school) == ("", "", "")
    assert opened.blind and opened.student_verified and card.student_verified
    assert (card.headline, card.education) == (opened.profile.headline, opened.profile.education)


@pytest.mark.parametrize(
    "word",
    ["studentin", "praktikantinnen", "entwicklerin", "she", "his", "frau", "chairman", "informatikerin"],
)
def test_words_of_one_gender_are_known(word: str) -> None:
    assert is_gendered(word)


@pytest.mark.parametrize(
    "word",
    ["student", "berlin", "python", "engineer", "begin", "within", "martin", "protein", "keratin", "it"],
)
def test_other_words_are_left(word: str) -> None:
    assert not is_gendered(word)


NAMES = st.lists(
    st.text(st.characters(categories=["Lu", "Ll"]), min_size=2, max_size=12), min_size=1, max_size=3
)


@given(NAMES, st.lists(st.sampled_from(["likes", "and", "builds", "x"]), max_size=5), st.data())
def test_no_part_of_a_name_is_left_in_any_text(parts: list[str], words: list[str], data: Any) -> None:
    name = " ".join(parts)
    text = " ".join(data.draw(st.permutations([*words, *parts, name.upper()])))
    student = Student(
        headline=text,
        summary=text,
        education=(Education("University of Somewhere", area=text),),
        projects=(Project(text, summary=text, keywords=(text,)),),
        experience=(Experience(text, text, summary=text),),
        certificates=(ProfileCertificate(text, text),),
    )
    hidden = {token.folded for token in tokenize(compose_nfc(name))} - STOPWORDS
    assert words_in(blind_profile(name, student)).isdisjoint(hidden)


def test_other_texts_lose_the_same_words_as_the_profile() -> None:
    student = replace(STUDENT, education=(Education("Example University"),))
    letter = "Dear all,\nI am Zoë, at Example University: see https://zoe.example.org"
    assert blind_texts(NAME, student, [letter, "", "yes"]) == ["Dear all,\nI am …, at …: see …", "", "yes"]
