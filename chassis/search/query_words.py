"""Words by which a search is read: those that join others, and places that are words too."""

from typing import Final

CONNECTOR_WORDS: Final = frozenset(
    [
        "a",
        "an",
        "and",
        "are",
        "as",
        "at",
        "by",
        "for",
        "from",
        "in",
        "into",
        "is",
        "it",
        "its",
        "near",
        "of",
        "on",
        "or",
        "our",
        "around",
        "close",
        "the",
        "that",
        "their",
        "this",
        "to",
        "we",
        "with",
        "within",
        "you",
        "your",
        "me",
        "my",
        "us",
        "who",
        "am",
        "der",
        "die",
        "das",
        "den",
        "dem",
        "und",
        "oder",
        "im",
        "mit",
        "fur",
        "von",
        "zu",
        "bei",
        "am",
        "an",
        "auf",
        "als",
        "ein",
        "eine",
        "et",
        "ou",
        "le",
        "la",
        "les",
        "des",
        "de",
        "du",
        "dans",
        "pres",
        "chez",
        "en",
        "un",
        "une",
        "y",
        "o",
        "el",
        "los",
        "las",
        "con",
        "para",
        "cerca",
        "del",
        "em",
        "no",
        "na",
        "do",
        "da",
        "e",
        "i",
        "w",
        "na",
        "we",
        "dla",
        "и",
        "в",
        "на",
        "для",
        "с",
        "по",
        "का",
        "के",
        "की",
        "में",
        "से",
        "و",
        "في",
        "من",
        "على",
        "で",
        "の",
        "を",
        "に",
        "は",
        "が",
        "と",
        "も",
        "へ",
        "から",
        "まで",
    ]
)
"""Words that join others and are not required."""
BEFORE_PLACES: Final = frozenset(
    [
        "in",
        "at",
        "near",
        "around",
        "from",
        "im",
        "bei",
        "nahe",
        "a",
        "en",
        "em",
        "dans",
        "pres",
        "chez",
        "cerca",
        "w",
        "в",
        "में",
        "في",
    ]
)
UPPERCASE_PLACES: Final = frozenset({"la", "ny", "sf", "uk", "uae", "usa", "nyc"})
"""Two- and three-letter names of places; those that are words, too, count only in capitals or after `in`."""
ALWAYS_PLACES: Final = frozenset({"uk", "usa", "uae", "nyc", "ny", "sf"})
BEFORE_PRONOUNS: Final = frozenset(
    "join joining with for to by of about help contact tell let lets do make love like get give call email meet over behind near".split()
)
"""Words after which `us` and `it` are pronouns, not the country and the field."""
PRONOUN_CODES: Final = frozenset({"am", "as", "do", "is", "it", "me", "my", "or", "so", "to"})
"""Codes of countries and states that are such ordinary words that they count in capitals only."""
NO_PLACES: Final = frozenset(
    "anaconda bank erlang google human jinja jira media meta mongo pandas part perl progress rust sales street".split()
)
"""Names of places that mean a subject, a skill or a company where people type them, also after `in`."""
NO_PLACES_ALONE: Final = frozenset(
    "along angle area arenas bacon bare basic bear begun best care center central change come dark date deal delta dual economy"
    " enter enterprise ever forge freedom friendly fully gateway goes goto green handy hang hard hire hook hope keen lang lazy"
    " legacy lone long loop luck made magenta make makes male manage marks mine mobile more most much name never nine none normal"
    " okay outer page peer plain port post price pure race real reserve rest rich sake same save seen send shields shot shut side"
    " silly since singleton sole star stat store strawberry success tell than time tour trap tune turn union university vice waits"
    " warn welcome worth young".split()
)
"""Names of towns that are ordinary words: places after `in` only."""
BEFORE_TIMES: Final = frozenset(
    "in for from until till by start starts starting beginning next this late early mid im ab ende anfang mitte en em au des desde partir de w od в с и and or und oder".split()
)
NO_DURATIONS: Final = frozenset({"experience", "erfahrung", "experiencia", "old"})
"""Words behind a number of years that say that no document lasts that long."""
