"""What a text is completed to."""

from services.internship.search.phrases import Phrase, PhraseIndex, PhraseKind, phrase_lookup_key


def title(name: str) -> Phrase:
    return Phrase(PhraseKind.TITLE, name.lower(), name)


BOOK = PhraseIndex(
    [(title("Data Science Intern"), 3), (title("Big Data Intern"), 9), (title("Design Intern"), 5)]
)


def found(start: str, limit: int = 10) -> list[str]:
    return [phrase.name for phrase in BOOK.completions(start, limit)]


def test_any_word_may_be_the_one_that_is_typed_and_whole_beginnings_come_first() -> None:
    assert found("data") == ["Data Science Intern", "Big Data Intern"]
    assert found("data sc") == ["Data Science Intern"]
    assert found("i", limit=1) == ["Big Data Intern"]
    assert found("zebra") == []


def test_what_is_added_is_completed_to_at_once_and_counted() -> None:
    book = PhraseIndex()
    book.add([title("Zebra Keeper")])
    book.add([title("Zebra Keeper")])
    assert [each.name for each in book.completions("keep", 5)] == ["Zebra Keeper"]
    assert book.count(PhraseKind.TITLE, "zebra keeper") == 2


def test_what_is_typed_is_compared_without_case_accents_and_symbols() -> None:
    assert phrase_lookup_key("  Zürich, C++! ") == "zurich c++"
    assert phrase_lookup_key("🚀 !!!") == ""


def test_one_letter_is_cheap_among_very_many_phrases() -> None:
    book = PhraseIndex((title(f"Apple {number}"), 1) for number in range(5_000))
    assert len(book.completions("a", 10)) == 10
