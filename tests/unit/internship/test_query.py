"""The order of answers, and what a question asks without one of its parts."""

from dataclasses import replace

from chassis.search.grammar import Meaning
from chassis.search.reading import Word
from services.internship.search.query import Dimension, Filters, Question, Sort, effective_sort

PYTHON = Word("python", {"python": 1}, 1, 1)
REMOTE = Word("remote", {"%remote": 1}, 1, 1, means=(Meaning("workMode", "WORK_MODE_REMOTE", "%remote"),))


def test_relevance_without_words_to_measure_it_by_is_newest() -> None:
    assert effective_sort(None, ()) is effective_sort(Sort.RELEVANCE, (REMOTE,)) is Sort.NEWEST
    assert effective_sort(None, (PYTHON, REMOTE)) is Sort.RELEVANCE
    assert effective_sort(Sort.PAY, (PYTHON,)) is Sort.PAY


def test_without_a_dimension_neither_its_filter_nor_its_words_are_asked() -> None:
    question = Question(words=(PYTHON, REMOTE), filters=Filters(cities=("%1",)))
    assert question.without(Dimension.WORK_MODE).words == (PYTHON,)
    assert question.without(Dimension.CITY) == replace(question, filters=Filters())
    assert question.without(Dimension.SKILL) == question


def test_most_of_the_words_is_at_least_half() -> None:
    words = tuple(replace(PYTHON, text=str(number)) for number in range(5))
    assert [Question(words=words[:count]).partly().least for count in (2, 3, 4, 5)] == [1, 2, 2, 3]
