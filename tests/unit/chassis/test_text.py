"""One rule for empty, same and address."""

import re
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chassis.grpc.rule_descriptions import item_rules_of
from chassis.text import (
    EmailAddressError,
    describe_unwanted_character,
    fold_for_comparison,
    is_blank,
    parse_email_address,
    to_single_line,
    truncate_text,
    without_unwanted_characters,
)
from internshipconnect.internship.v1.internship_pb2 import Internship

TURNING = {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}

UNSEEN = [
    "",
    "  ",
    "\t\r\n",
    "\u00a0",
    "\u200b",
    "\u200d\u200c",
    "\u2060",
    "\ufeff",
    "\u00ad",
    "\u3000",
    "\u115f\u1160",
    "\u3164",
    "\uffa0",
    "\u2800",
    "\u0301",
    "\u034f",
    "\u20dd",
    "\ufe0f",
    "\u061c\u202e",
    "\U000e0041\U000e007f",
    "\U000e0100",
    "\U0001d159",
    "\U0001d173",
    "\U0001bca0",
    "\ufdd0\U0001ffff",
    "\x00\x7f\x85",
    "\u180e\u17b4",
    "\ud800",
]
SEEN = [
    "a",
    ".",
    "_",
    "0",
    "é",
    "e\u0301",
    "中",
    "🎓",
    "🏴\U000e0067",
    "ㅎ",
    "\u2588",
    "\u0e01",
    "\U0001fae8",
    "א\u200f",
]


@pytest.mark.parametrize("text", UNSEEN, ids=ascii)
def test_what_shows_nothing_is_empty(text: str) -> None:
    assert is_blank(text)
    assert is_blank(text * 3 + " ")


@pytest.mark.parametrize("text", SEEN, ids=ascii)
def test_what_shows_something_is_not_empty(text: str) -> None:
    assert not is_blank(text)
    assert not is_blank(f"\u200b {text}\u3164")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Café", "CAFE\u0301"),
        ("Data\u00a0 Science ", "data science"),
        ("Py\u200bthon", "python"),
        ("\uff21\uff29", "ai"),
        ("STRASSE", "straße"),
        ("ﬁnance", "Finance"),
    ],
)
def test_texts_that_look_the_same_are_the_same(one: str, other: str) -> None:
    assert fold_for_comparison(one) == fold_for_comparison(other)


@pytest.mark.parametrize(
    ("one", "other"), [("C", "C++"), ("résumé", "resume"), ("Łódź", "Lodz"), ("a", "\u0430")]
)
def test_texts_that_look_different_or_are_of_other_scripts_stay_different(one: str, other: str) -> None:
    assert fold_for_comparison(one) != fold_for_comparison(other)


@pytest.mark.parametrize(
    "spelling",
    [
        "a@münchen.de",
        "A@MÜNCHEN.DE",
        "a@mu\u0308nchen.de",
        "a@xn--mnchen-3ya.de",
        "a@XN--MNCHEN-3YA.de",
        "a@münchen\u3002de",
        "  a@münchen.de\t",
        "\u200ba@münchen.de\ufeff\u00a0",
        "a@\uff4dünchen.de",
    ],
)
def test_all_spellings_of_an_address_are_one_and_it_needs_no_smtputf8(spelling: str) -> None:
    address = parse_email_address(spelling)
    assert address.key == "a@münchen.de"
    assert address.address.lower() == "a@xn--mnchen-3ya.de"
    assert not address.needs_smtputf8


def test_an_address_is_shown_as_it_was_typed() -> None:
    assert parse_email_address(" Ada.Lovelace@MÜNCHEN.de ").display == "Ada.Lovelace@MÜNCHEN.de"
    assert parse_email_address("Ada@Example.com").address == "Ada@example.com"


def test_a_letter_beyond_ascii_before_the_at_needs_smtputf8_and_never_becomes_an_ascii_letter() -> None:
    address = parse_email_address("Élodie@münchen.de")
    assert (address.address, address.key) == ("Élodie@xn--mnchen-3ya.de", "élodie@münchen.de")
    assert address.needs_smtputf8
    assert parse_email_address("\u017fam@example.com").key != parse_email_address("sam@example.com").key
    assert (
        parse_email_address("stra\u00dfe@example.com").key != parse_email_address("strasse@example.com").key
    )


@pytest.mark.parametrize(
    "text",
    [
        "",
        "ada",
        "ada@",
        "@example.com",
        "a b@example.com",
        "a@b..de",
        "a@localhost",
        "a@[127.0.0.1]",
        '"a b"@example.com',
        "Ada <a@example.com>",
        "a@example.com, b@example.com",
        "a@example.com\r\nBcc: b@example.com",
        "a\x00@example.com",
        "a\u200b@example.com",
        "a@xn--zzzzzz.de",
        "a@exa_mple.com",
        "a\uff20example.com",
        "a@" + "x" * 64 + ".com",
        "x" * 65 + "@example.com",
    ],
)
def test_what_no_mail_can_reach_is_no_address(text: str) -> None:
    with pytest.raises(EmailAddressError):
        parse_email_address(text)


@given(st.text(max_size=80))
def test_an_address_is_ascii_in_the_envelope_unless_it_says_otherwise_and_its_key_is_stable(
    text: str,
) -> None:
    try:
        address = parse_email_address(f"{text}@{text}.de" if "@" not in text else text)
    except EmailAddressError:
        return
    assert address.address.isascii() or address.needs_smtputf8
    assert parse_email_address(address.key).key == address.key
    assert parse_email_address(address.display).key == address.key
    assert parse_email_address(address.address).key == address.key


@given(st.text(st.characters(codec=None)))
def test_one_line_is_one_line_and_can_be_written(text: str) -> None:
    line = to_single_line(text)
    line.encode()
    assert line.splitlines() in ([], [line])
    assert not set(line) & set("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\x00")
    assert line == line.strip()
    assert unicodedata.is_normalized("NFC", line)


def test_the_contracts_rule_for_one_line_refuses_controls_and_what_can_be_described() -> None:
    pattern = item_rules_of(Internship.DESCRIPTOR.fields_by_name["title"]).string.pattern
    title = re.compile(pattern.removesuffix("$") + r"\Z")
    characters = [chr(code) for code in range(0x110000) if not 0xD800 <= code < 0xE000]
    refused = {each for each in characters if not title.search(each)}
    controls = {each for each in characters if unicodedata.category(each) == "Cc"}
    assert refused == controls | {each for each in characters if describe_unwanted_character(each)}
    assert {each for each in characters if unicodedata.bidirectional(each) in TURNING} <= refused


@given(st.text())
def test_a_text_without_unwanted_characters_has_none(text: str) -> None:
    cleaned = without_unwanted_characters(text)
    assert describe_unwanted_character(cleaned) == ""
    assert (cleaned == text) == (describe_unwanted_character(text) == "")


def test_a_text_is_shortened_between_what_belongs_together() -> None:
    assert truncate_text("x" * 10, 10) == "x" * 10
    assert truncate_text("x" * 11, 10) == "x" * 9 + "…"
    assert truncate_text("ab e\u0301", 4) == "ab…"
