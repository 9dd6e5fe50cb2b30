"""Skills by ID, by name and by their other names."""

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from itertools import takewhile
from typing import Final

from chassis.search.skill_table import SKILL_ID_PREFIX, SKILL_TABLE
from chassis.search.synonyms import SYNONYM_SETS, SynonymKind
from chassis.search.text_analysis import name_key
from chassis.search.vocabulary import Vocabulary

DEFAULT_SKILL_SUGGESTIONS: Final = 10
_OWN_NAME, _OTHER_NAME, _WORD_WITHIN = range(3)
"""The ranks of a suggestion by where the typed text begins."""


@dataclass(frozen=True, slots=True)
class TaxonomySkill:
    """A skill with its other names."""

    id: str
    name: str
    aliases: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """All names, its own first."""
        return (self.name, *self.aliases)


@dataclass(frozen=True, slots=True)
class SuggestedSkill:
    """A skill, and the other name by which it was found; "" for its own."""

    skill: TaxonomySkill
    matched_name: str = ""


@dataclass(frozen=True, slots=True, order=True)
class _Spelling:
    """A place where what somebody types may begin: in a name, or at a later word of it."""

    key: str
    rank: int
    shown: str
    skill_id: str


class SkillTaxonomy:
    """The skills of a table. Names are compared without case, accents and outer blanks."""

    def __init__(self, skills: Iterable[TaxonomySkill]) -> None:
        self._by_id = {skill.id: skill for skill in skills}
        self._by_name = {name_key(name): skill for skill in self._by_id.values() for name in skill.names}
        self._spellings = sorted(each for skill in self._by_id.values() for each in _spellings_of(skill))
        self._keys = [each.key for each in self._spellings]
        words = Counter(word for key in self._by_name for word in key.split())
        self._vocabulary = Vocabulary(words, len(self._by_id))

    @property
    def skills(self) -> tuple[TaxonomySkill, ...]:
        """All skills, in the order of the table."""
        return tuple(self._by_id.values())

    def get(self, skill_id: str) -> TaxonomySkill | None:
        """Return the skill of an ID."""
        return self._by_id.get(skill_id)

    def find_by_name(self, name: str) -> TaxonomySkill | None:
        """Return the skill that has this name, or this other name."""
        return self._by_name.get(name_key(name))

    def suggest(self, text: str, limit: int) -> list[SuggestedSkill]:
        """Return at most `limit` skills that an unfinished text may stand for, the best first.

        As typed: a skill's own name, then another name, then a later word of one; where there is none, with
        misspelt words corrected as the search for listings does.
        """
        typed = name_key(text)
        if not typed:
            return []
        found = self._beginning_with(typed) or self._beginning_with(self._corrected_text(typed))
        return found[:limit]

    def _beginning_with(self, typed: str) -> list[SuggestedSkill]:
        at = bisect_left(self._keys, typed)
        matches = takewhile(lambda each: each.key.startswith(typed), self._spellings[at:])
        best: dict[str, SuggestedSkill] = {}
        for each in sorted(matches, key=lambda each: (each.key != typed, each.rank, len(each.shown), each)):
            skill = self._by_id[each.skill_id]
            best.setdefault(skill.id, SuggestedSkill(skill, "" if each.shown == skill.name else each.shown))
        return list(best.values())

    def _corrected_text(self, typed: str) -> str:
        *before, last = typed.split()
        end = last if self._vocabulary.completions(last) else self._nearest_word(last)
        return " ".join([*map(self._nearest_word, before), end])

    def _nearest_word(self, word: str) -> str:
        if self._vocabulary.count(word):
            return word
        return next((each.word for each in self._vocabulary.corrections(word)), word)


@cache
def shared_skill_taxonomy() -> SkillTaxonomy:
    """Return the taxonomy of the table, made once a process."""
    return SkillTaxonomy(_read_table(SKILL_TABLE))


def _read_table(table: str) -> Iterator[TaxonomySkill]:
    known = {each.label: each.spellings for each in SYNONYM_SETS if each.kind is SynonymKind.SKILL}
    for line in table.strip().splitlines():
        slug, name, *aliases = (part.strip() for part in line.split(" | "))
        others = {name_key(each): each for each in (*aliases, *known.get(name, ()))}
        others.pop(name_key(name), None)
        yield TaxonomySkill(f"{SKILL_ID_PREFIX}{slug}", name, tuple(others.values()))


def _spellings_of(skill: TaxonomySkill) -> Iterator[_Spelling]:
    for name in skill.names:
        key = name_key(name)
        yield _Spelling(key, _OWN_NAME if name == skill.name else _OTHER_NAME, name, skill.id)
        words = key.split()
        for number in range(1, len(words)):
            yield _Spelling(" ".join(words[number:]), _WORD_WITHIN, name, skill.id)
