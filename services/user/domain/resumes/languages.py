"""Spoken languages and how well, in English and German."""

import re
from collections.abc import Sequence
from typing import Final

from chassis.text import fold_for_comparison
from services.user.domain.profile import Language
from services.user.domain.resumes.parsed_resume import ReadValue
from services.user.domain.resumes.text import CELL_BREAK, TextLine, without_bullet

_NAMES: Final = """
english englisch, german deutsch, french französisch, spanish spanisch, italian italienisch, portuguese portugiesisch,
dutch niederländisch holländisch, polish polnisch, turkish türkisch, russian russisch, ukrainian ukrainisch,
arabic arabisch, hindi, urdu, bengali bengalisch, tamil, telugu, punjabi, marathi, gujarati, persian persisch farsi,
chinese chinesisch mandarin, cantonese kantonesisch, japanese japanisch, korean koreanisch,
vietnamese vietnamesisch, thai thailändisch, indonesian indonesisch, malay malaiisch, tagalog filipino,
swedish schwedisch, danish dänisch, norwegian norwegisch, finnish finnisch, icelandic isländisch, czech tschechisch,
slovak slowakisch, hungarian ungarisch, romanian rumänisch, bulgarian bulgarisch, greek griechisch, serbian serbisch,
croatian kroatisch, bosnian bosnisch, slovenian slowenisch, albanian albanisch, macedonian mazedonisch,
lithuanian litauisch, latvian lettisch, estonian estnisch, hebrew hebräisch, swahili suaheli, yoruba, igbo, hausa,
amharic amharisch, somali, zulu, afrikaans, catalan katalanisch, basque baskisch, irish irisch, welsh walisisch,
georgian georgisch, armenian armenisch, azerbaijani aserbaidschanisch, kazakh kasachisch, latin latein, nepali,
sinhala, kurdish kurdisch, pashto, dari, twi, akan, esperanto, luxembourgish luxemburgisch, maltese maltesisch
"""
_KNOWN: Final = frozenset(map(fold_for_comparison, _NAMES.replace(",", " ").split()))
_CEFR: Final = re.compile(r"\b([ABC][12])(?:[+-])?(?:\s?[-/–]\s?([ABC][12]))?(?!\w)", re.IGNORECASE)
_LEVELS: Final = (
    ("native", "native tongue|native speaker|native|mother tongue|first language|muttersprachler(?:in)?|muttersprachlich|muttersprache|bilingual|zweisprachig"),
    ("C2", "near[- ]native|proficient|mastery|annähernd muttersprachlich"),
    ("C1", "business fluent|fluent(?:ly)?|full professional|verhandlungssicher|fließend|fliessend|advanced|sehr gute?|very good|fortgeschritten|excellent"),
    ("B2", "upper[- ]intermediate|professional working|gute?(?: kenntnisse)?|good|working proficiency|sicher"),
    ("B1", "intermediate|conversational|mittelstufe|limited working|befriedigend|moderate|konversationssicher|mittlere"),
    ("A2", "basics?|elementary|grundkenntnisse|basiskenntnisse|school level|schulkenntnisse|some"),
    ("A1", "beginner|anfänger(?:kenntnisse)?|novice"),
)  # fmt: skip
_WORDED: Final = tuple((level, re.compile(rf"\b(?:{words})\b", re.IGNORECASE)) for level, words in _LEVELS)
_WORD: Final = re.compile(r"[^\W\d_]+")
_ITEM: Final = re.compile(rf"{CELL_BREAK}|[;|•·]|,(?![^(]*\))|\s/\s|\s(?:and|und)\s")


def read_languages(lines: Sequence[TextLine]) -> tuple[ReadValue[Language], ...]:
    """Return the languages that the lines name, each once, with the level that stands beside its name."""
    found: dict[str, ReadValue[Language]] = {}
    pending = ""
    for line in lines:
        for item in _ITEM.split(without_bullet(line.text)):
            name = language_name(item)
            level, certainty = read_level(item)
            if name and fold_for_comparison(name) not in found:
                found[fold_for_comparison(name)] = ReadValue(Language(name, level), certainty, line.text)
                pending = "" if level else fold_for_comparison(name)
            elif level and pending and not name:
                known = found[pending]
                found[pending] = ReadValue(
                    Language(known.value.name, level), certainty, f"{known.source} {line.text}"
                )
                pending = ""
    return tuple(found.values())


def language_name(text: str) -> str:
    """Return the first word that is the name of a language, as it is written; "" when there is none."""
    return next((word for word in _WORD.findall(text) if fold_for_comparison(word) in _KNOWN), "")


def is_language(text: str) -> bool:
    """Return whether the text is a language with its level at most."""
    name = language_name(text)
    if not name:
        return False
    rest = _CEFR.sub("", text.replace(name, "", 1))
    for _, words in _WORDED:
        rest = words.sub("", rest)
    return len(_WORD.findall(rest)) <= 2 and (rest.strip(" ()-–:,.") == "" or read_level(text)[0] != "")


def read_level(text: str) -> tuple[str, float]:
    """Return the level as a profile knows it and how certain it is: named by CEFR, or a word that stands for it."""
    for level, words in _WORDED[:1]:
        if words.search(text):
            return level, 0.95
    if found := _CEFR.search(text):
        return (found[2] or found[1]).upper(), 0.97
    for level, words in _WORDED[1:]:
        if words.search(text):
            return level, 0.7
    return "", 0.8
