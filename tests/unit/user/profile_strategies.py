"""Profiles as students may have them: each keeps the contract's rules and those of the domain."""

from typing import Any

from hypothesis import strategies as st

from chassis.text import fold_for_comparison, is_blank, normalize_nfc
from services.user.domain import (
    Availability,
    Education,
    Experience,
    Language,
    Location,
    Preferences,
    PreferredWorkMode,
    ProfileCertificate,
    ProfileLink,
    Project,
    Skill,
    SkillLevel,
    Student,
)
from services.user.domain.normalisation import LANGUAGE_LEVELS

LETTERS = st.characters(
    exclude_categories=["Cc", "Cs", "Zl", "Zp", "Co", "Cn"],
    exclude_characters="".join(
        map(chr, [*range(0x2028, 0x202F), *range(0x2061, 0x2070), 0xFEFF, *range(0xFFF9, 0xFFFC)])
    ),
)


def texts(max_size: int = 30, *, lines: bool = False) -> st.SearchStrategy[str]:
    """Draw visible text in NFC, perhaps with outer blanks; of several lines if wanted."""
    letters = st.one_of(LETTERS, st.sampled_from("\n\n- ab")) if lines else LETTERS
    drawn = st.text(letters, min_size=1, max_size=max_size).map(normalize_nfc)
    return drawn.filter(lambda text: not is_blank(text) and len(text) <= max_size)


def optional(strategy: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.one_of(st.just(""), strategy)


def some(strategy: st.SearchStrategy[Any], max_size: int = 3) -> st.SearchStrategy[tuple[Any, ...]]:
    return st.lists(strategy, max_size=max_size).map(tuple)


def each_once(strategy: st.SearchStrategy[Any]) -> st.SearchStrategy[tuple[Any, ...]]:
    return st.lists(strategy, max_size=4, unique_by=lambda each: fold_for_comparison(each.name)).map(tuple)


DAYS = st.dates().filter(lambda day: 1000 <= day.year <= 2999).map(str)
PARTIAL_DATES = st.tuples(DAYS, st.sampled_from([4, 7, 10])).map(lambda drawn: drawn[0][: drawn[1]])
URLS = st.from_regex(r"https?://[a-z]{1,10}\.test/[a-zA-Z0-9?&=%-]{0,20}", fullmatch=True)
COUNTRIES = st.sampled_from(["DE", "CH", "AT", "US", "JP"])


def spans() -> st.SearchStrategy[tuple[str, str]]:
    """Draw a start and an end that is not before it."""
    both = st.tuples(PARTIAL_DATES, PARTIAL_DATES).map(lambda pair: (min(pair), max(pair)))
    return st.one_of(st.just(("", "")), both, PARTIAL_DATES.map(lambda start: (start, "")))


EDUCATION = st.builds(
    lambda span, **rest: Education(start=span[0], end=span[1], **rest),
    spans(), institution=texts(), area=optional(texts()), degree=optional(texts()), score=optional(texts(20)),
)  # fmt: skip
EXPERIENCE = st.builds(
    lambda span, **rest: Experience(start=span[0], end=span[1], **rest),
    spans(), organisation=texts(), position=optional(texts()), summary=optional(texts(60, lines=True)),
)  # fmt: skip
PROJECT = st.builds(
    Project, texts(), url=optional(URLS), summary=optional(texts(60, lines=True)), keywords=some(texts(20))
)
CERTIFICATE = st.builds(
    ProfileCertificate, texts(), issuer=optional(texts()), date=optional(PARTIAL_DATES), url=optional(URLS)
)
LOCATION = st.builds(
    lambda city, region, country, at: Location(city, region, country, *at),
    texts(), optional(texts()), optional(COUNTRIES),
    st.one_of(st.just((None, None)), st.tuples(st.floats(-90, 90), st.floats(-180, 180))),
)  # fmt: skip
AVAILABILITY = st.builds(
    lambda days, hours: Availability(min(days), max(days), hours), st.tuples(DAYS, DAYS), st.integers(0, 60)
)
WORK_MODES = st.sampled_from([mode for mode in PreferredWorkMode if mode.value != "UNSPECIFIED"])
PREFERENCES = st.builds(
    Preferences,
    some(texts(20)),
    some(texts(20)),
    st.lists(WORK_MODES, unique=True).map(tuple),
    st.just("EUR"),
    st.integers(0, 2**53 - 1),
)

STUDENTS = st.builds(
    Student,
    headline=optional(texts()),
    summary=optional(texts(80, lines=True)),
    location=st.none() | LOCATION,
    links=some(st.builds(ProfileLink, optional(texts()), URLS)),
    education=some(EDUCATION),
    experience=some(EXPERIENCE),
    projects=some(PROJECT),
    skills=each_once(
        st.builds(Skill, texts() | st.sampled_from(["Python", "k8s"]), st.sampled_from(SkillLevel))
    ),
    languages=each_once(st.builds(Language, texts(), optional(st.sampled_from(LANGUAGE_LEVELS)))),
    certificates=some(CERTIFICATE),
    availability=st.none() | AVAILABILITY,
    work_authorisation=st.lists(COUNTRIES, unique=True).map(tuple),
    preferences=st.none() | PREFERENCES,
)
