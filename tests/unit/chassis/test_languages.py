"""Which of our languages a client asks for, by a header that may hold anything."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chassis.languages import LANGUAGES, preferred_language


@pytest.mark.parametrize(
    ("header", "language"),
    [
        ("de", "de"),
        ("de-AT,de;q=0.9,en;q=0.8", "de"),
        ("DE-at", "de"),
        ("fr-FR, fr;q=0.9, de;q=0.5, en;q=0.4", "de"),
        ("en, de", "en"),
        ("de;q=0.3, en;q=0.7", "en"),
        ("de;q=0, en;q=0.1", "en"),
        ("de;q=0", ""),
        ("*", ""),
        ("fr", ""),
        ("", ""),
        ("deutsch", ""),
        ("de ; q=0.5", "de"),
        ("de;q=2", ""),
        ("de;q=0.1234", ""),
        ("de;level=1", ""),
        ("de\r\nX: y", ""),
        ("de_DE", ""),
        ("../de", ""),
        (",".join(["de"] * 17), ""),
        ("de," + " " * 300, ""),
    ],
)
def test_the_preferred_one_of_our_languages_is_read_from_a_well_formed_header_alone(
    header: str, language: str
) -> None:
    assert preferred_language(header) == language


@given(st.text(max_size=300))
def test_any_header_gives_one_of_our_languages_or_none(header: str) -> None:
    assert preferred_language(header) in ("", *LANGUAGES)
