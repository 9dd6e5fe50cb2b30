"""Names with several spellings, in one table: skills with their aliases, fields of work with theirs.

A name is found where one of its spellings stands, word for word, singular or plural. It is indexed under a
term of its own (`=` and an identifier), so that the letters `go` in a sentence are not the language Go.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cache, lru_cache
from typing import Final

from chassis.search.text_analysis import (
    MAX_CACHED_WORDS,
    Token,
    compose_nfc,
    fold_text,
    strip_version,
    tokenize,
)

SYNONYM_MARK: Final = "="
_MAX_TOKENS: Final = 5


class SynonymKind(StrEnum):
    """The kind of a name."""

    SKILL = "SKILL"
    FIELD = "FIELD"


@dataclass(frozen=True, slots=True)
class SynonymSet:
    """A name: its label, its other spellings, and names of nearly the same meaning (`related`).

    In prose a spelling in `cased` counts only in its own letter case: `IT` is a field, `it` is not.
    """

    label: str
    kind: SynonymKind
    spellings: tuple[str, ...]
    case_sensitive: frozenset[str] = frozenset()
    related: tuple[str, ...] = ()

    @property
    def term(self) -> str:
        """Its term in the index."""
        return canonical_term(self.label)


def canonical_term(label: str) -> str:
    """Return the index term of the name with this label, even if it is not in the table."""
    return SYNONYM_MARK + re.sub(r"[\s.$\0]+", "-", fold_text(label).strip()).removeprefix("-")


_SKILLS: Final = """
Go | golang | !Go
JavaScript | js | ecmascript
TypeScript | !TS
Kubernetes | k8s | kubernetes
Machine Learning | !ML | maschinelles lernen | apprentissage automatique | aprendizaje automático | 機械学習 | 机器学习
Deep Learning | neural networks
Artificial Intelligence | !AI | a.i. | künstliche intelligenz | !KI | 人工知能 | 人工智能 > Machine Learning
Natural Language Processing | !NLP
Large Language Models | !LLM | llms | generative ai | genai
Computer Vision
C++ | cpp | c plus plus | cplusplus
C# | c sharp | csharp
.NET | dotnet | dot net
ASP.NET | asp net
Node.js | nodejs | node js
React | reactjs | react.js | react js
Vue | vuejs | vue.js | vue js
Angular | angularjs | angular.js
Next.js | nextjs
!C
!R | rlang | r programming
Python | python3 | py
Java
Rust
Swift
Kotlin
Scala
Ruby | ruby on rails | ror
PHP
SQL | structured query language
PostgreSQL | postgres | psql
MongoDB | mongo
AWS | amazon web services
Azure | microsoft azure
GCP | google cloud | google cloud platform
Docker
Terraform
CI/CD | cicd | continuous integration
REST | rest api | restful
HTML | html5
CSS | css3
Excel | ms excel | microsoft excel
Power BI | powerbi
MATLAB
SolidWorks | solid works
CAD | computer aided design
SEO | search engine optimization | search engine optimisation
Pandas
PyTorch | torch
TensorFlow
Spark | apache spark | pyspark
Airflow | apache airflow
Git | github
Linux
Figma
Photoshop | adobe photoshop
Objective-C | objective c | objc
T-SQL | tsql | transact sql
"""
_FIELDS: Final = """
Information Technology | !IT | informationstechnologie | informatique | it support > Software Engineering
Software Engineering | software engineer | software developer | software development | programming | programmer | coding | swe | softwareentwicklung | softwareentwickler | desarrollo de software | développement logiciel | разработка | программист
Backend | back end | backend development | backend developer | backend engineer | backend engineering | server side
Frontend | front end | frontend development | frontend developer | frontend engineer | frontend engineering | web development | web developer | webentwicklung
Full Stack | fullstack | full stack developer | full stack engineer
Mobile Development | mobile developer | app developer | app development | mobile app | ios developer | android developer
Data Science | data scientist | datascience | datenwissenschaft | ciencia de datos | データサイエンス | 数据科学
Data Analysis | data analyst | data analytics | analytics | datenanalyse
Data Engineering | data engineer
DevOps | dev ops | site reliability | !SRE | platform engineering
Cybersecurity | cyber security | information security | infosec | it security | it sicherheit
Quality Assurance | !QA | software testing | test engineer
Product Management | product manager | product owner
Project Management | project manager
Design | designer | diseño | gestaltung | デザイン
UX Design | !UX | ux designer | user experience | ux research | ux researcher | !UI | !UX/UI | ui designer > Design
Graphic Design | graphic designer | grafikdesign | visual design > Design
Marketing | marketer | マーケティング | маркетинг | التسويق | मार्केटिंग
Sales | vertrieb | business development | ventas
Finance | financial | finanzen | finanzas | 金融
Accounting | accountant | bookkeeping | buchhaltung | contabilidad
Audit | auditing | auditor
Human Resources | !HR | recruiting | recruitment | talent acquisition | personalwesen
Legal | law | lawyer | jura
Public Relations | !PR | communications
Journalism | journalist | editorial
Consulting | consultant | management consulting | unternehmensberatung
Mechanical Engineering | mechanical engineer | maschinenbau
Electrical Engineering | electrical engineer | elektrotechnik | electronics
Civil Engineering | civil engineer | bauingenieurwesen
Chemical Engineering | chemical engineer
Robotics | robotic engineering | robotik
Life Sciences | life science | biotechnology | biotech
Biology | biologist | biologie
Chemistry | chemist | chemie
Physics | physicist | physik
Supply Chain | logistics | logistik
Customer Support | customer service | customer success
"""


def _parse_synonyms(table: str, kind: SynonymKind) -> Iterator[SynonymSet]:
    for line in table.strip().splitlines():
        known, _, related = line.partition(" > ")
        spellings = [each.strip() for each in known.split(" | ")]
        bare = tuple(each.removeprefix("!") for each in spellings)
        cased = frozenset(each.removeprefix("!") for each in spellings if each.startswith("!"))
        related_names = tuple(each.strip() for each in related.split(" | ") if each.strip())
        yield SynonymSet(bare[0], kind, bare, cased, related_names)


SYNONYM_SETS: Final = (
    *_parse_synonyms(_SKILLS, SynonymKind.SKILL),
    *_parse_synonyms(_FIELDS, SynonymKind.FIELD),
)


FIELD_TERMS: Final = frozenset(name.term for name in SYNONYM_SETS if name.kind is SynonymKind.FIELD)


@dataclass(frozen=True, slots=True)
class _SpellingWords:
    words: tuple[str, ...]
    name: SynonymSet
    cased: str


@cache
def _spellings_by_first_word() -> dict[str, list[_SpellingWords]]:
    found: dict[str, list[_SpellingWords]] = {}
    for name in SYNONYM_SETS:
        for spelling in name.spellings:
            words = tuple(_singular_of(token.folded) for token in tokenize(compose_nfc(spelling)))
            cased = spelling if spelling in name.case_sensitive else ""
            found.setdefault(words[0], []).append(_SpellingWords(words, name, cased))
    for spellings in found.values():
        spellings.sort(key=lambda each: -len(each.words))
    return found


def match_synonym_at(tokens: Sequence[Token], at: int, *, is_prose: bool) -> tuple[SynonymSet, int] | None:
    """Return the longest name that begins at a token, and its number of tokens."""
    spellings = _spellings_by_first_word().get(_singular_of(tokens[at].folded))
    if spellings is None:
        return None
    words = [_singular_of(token.folded) for token in tokens[at : at + _MAX_TOKENS]]
    for spelling in spellings:
        length = len(spelling.words)
        if tuple(words[:length]) != spelling.words:
            continue
        if is_prose and spelling.cased and tokens[at].text != spelling.cased.split("/")[0]:
            continue
        return spelling.name, length
    return None


def find_synonym_terms(text: str, *, is_prose: bool = False) -> set[str]:
    """Return the terms of all names in a text.

    In prose letter case distinguishes a name from an ordinary word.
    """
    tokens = tokenize(compose_nfc(text))
    found = (
        match_synonym_at(tokens, at, is_prose=is_prose or _may_be_a_word(tokens, at))
        for at in range(len(tokens))
    )
    return {name.term for name, _ in filter(None, found)}


def _may_be_a_word(tokens: Sequence[Token], at: int) -> bool:
    """Return whether a name may be an ordinary word, such as the pronoun `it`: only one among other words."""
    return tokens[at].folded in {"it", "go", "r", "c"} and len(tokens) > 1


def is_ambiguous(token: Token) -> bool:
    """Return whether a name's spelling is also an ordinary word or a letter, apart from its letter case."""
    return token.folded in _AMBIGUOUS_WORDS


_AMBIGUOUS_WORDS: Final = frozenset({"it", "go", "r", "c"})


@lru_cache(MAX_CACHED_WORDS)
def _singular_of(word: str) -> str:
    word = strip_version(word)
    return word[:-1] if len(word) > 3 and word.endswith("s") and not word.endswith("ss") else word
