"""How well résumés were read: precision and recall of each field."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, TypeVar

from rapidfuzz.fuzz import ratio

from chassis.text import fold_for_comparison
from services.user.domain.profile import Education, Experience, Language
from services.user.domain.resumes import ParsedResume
from verify.resumes.people import SamplePerson

E = TypeVar("E", Education, Experience)
SUMMARY_SIMILARITY: Final = 90.0
"""How alike, of 100, running text is that counts as read."""


@dataclass
class FieldScore:
    """Counts of one field: `right` of what was read, `wrong` ones, and `missed` ones of the truth."""

    right: int = 0
    wrong: int = 0
    missed: int = 0
    mistakes: list[str] = field(default_factory=list)
    layout: str = ""
    """The layout that is compared now, for the mistakes."""

    @property
    def precision(self) -> float:
        """The share of what was read that is true; 1 when nothing was read."""
        read = self.right + self.wrong
        return self.right / read if read else 1.0

    @property
    def recall(self) -> float:
        """The share of the truth that was read."""
        true = self.right + self.missed
        return self.right / true if true else 1.0

    def compare(self, read: str, true: str, *, alike: Callable[[str, str], bool] | None = None) -> None:
        """Count one value; both may be empty."""
        if read and true and (alike or _is_same)(read, true):
            self.right += 1
            return
        self.wrong += bool(read)
        self.missed += bool(true)
        if read or true:
            self.mistakes.append(f"{self.layout}: {read!r} instead of {true!r}")

    def compare_sets(self, read: Iterable[str], true: Iterable[str]) -> None:
        """Count values whose order does not matter."""
        found, wanted = set(map(fold_for_comparison, read)), set(map(fold_for_comparison, true))
        self.right += len(found & wanted)
        self.wrong += len(found - wanted)
        self.missed += len(wanted - found)
        self.mistakes += [f"{self.layout}: read {each!r}" for each in sorted(found - wanted)]
        self.mistakes += [f"{self.layout}: missed {each!r}" for each in sorted(wanted - found)]


def score_resumes(pairs: Iterable[tuple[str, ParsedResume, SamplePerson]]) -> dict[str, FieldScore]:
    """Return the score of each field over all layouts: their names, what was read, and the truth."""
    scores = {name: FieldScore() for name in FIELDS}
    for layout, read, true in pairs:
        for score in scores.values():
            score.layout = layout
        _score_plain(scores, read, true)
        _score_entries(
            scores, "education", EDUCATION_PARTS, [each.value for each in read.education], true.education
        )
        _score_entries(
            scores, "experience", EXPERIENCE_PARTS, [each.value for each in read.experience], true.experience
        )
    return scores


def _score_plain(scores: Mapping[str, FieldScore], read: ParsedResume, true: SamplePerson) -> None:
    scores["name"].compare(read.name.value if read.name else "", true.name)
    scores["email"].compare(read.email.value if read.email else "", true.email)
    scores["phone"].compare(read.phone.value if read.phone else "", true.phone.e164)
    place = read.location.value if read.location else None
    home = true.home.place
    scores["location"].compare(
        f"{place.city}, {place.country}" if place else "", f"{home.city}, {home.country}"
    )
    scores["summary"].compare(read.summary.value if read.summary else "", true.summary, alike=_is_alike)
    scores["links"].compare_sets(
        map(_bare_url, (each.value.url for each in read.links)), map(_bare_url, true.links)
    )
    scores["skills"].compare_sets((each.value.name for each in read.skills), true.skills)
    scores["languages"].compare_sets(
        (each.value.name for each in read.languages), (each.name for each in true.languages)
    )
    scores["languages: level"].compare_sets(
        map(_levelled, (each.value for each in read.languages)), map(_levelled, true.languages)
    )


Part = tuple[str, Callable[[Education], str]] | tuple[str, Callable[[Experience], str]]
EDUCATION_PARTS: Final[Mapping[str, Callable[[Education], str]]] = {
    "institution": lambda each: each.institution,
    "degree": lambda each: each.degree.replace(".", ""),
    "area": lambda each: each.area,
    "dates": lambda each: f"{each.start}/{each.end}".strip("/"),
    "score": lambda each: _figure(each.score),
}
EXPERIENCE_PARTS: Final[Mapping[str, Callable[[Experience], str]]] = {
    "organisation": lambda each: each.organisation,
    "position": lambda each: each.position,
    "dates": lambda each: f"{each.start}/{each.end}".strip("/"),
    "summary": lambda each: " ".join(each.summary.split()),
}
FIELDS: Final = (
    *("name", "email", "phone", "location", "links", "summary"),
    *("education", *(f"education: {part}" for part in EDUCATION_PARTS)),
    *("experience", *(f"experience: {part}" for part in EXPERIENCE_PARTS)),
    *("skills", "languages", "languages: level"),
)
"""`education` and `experience` count whole entries: right with all parts but score and summary."""
_BEYOND_ENTRY: Final = frozenset({"score", "summary"})


def _score_entries(
    scores: Mapping[str, FieldScore],
    name: str,
    parts: Mapping[str, Callable[[E], str]],
    read: Sequence[E],
    true: Sequence[E],
) -> None:
    for found, wanted in _pair_entries(parts, read, true):
        whole_found, whole_wanted = "", ""
        for part, value in parts.items():
            shown, known = value(found) if found else "", value(wanted) if wanted else ""
            scores[f"{name}: {part}"].compare(shown, known, alike=_is_alike if part == "summary" else None)
            if part not in _BEYOND_ENTRY:
                whole_found, whole_wanted = f"{whole_found} | {shown}", f"{whole_wanted} | {known}"
        scores[name].compare(whole_found if found else "", whole_wanted if wanted else "")


def _pair_entries(
    parts: Mapping[str, Callable[[E], str]], read: Sequence[E], true: Sequence[E]
) -> list[tuple[E | None, E | None]]:
    """Return each true entry with the entry read that is most like it, and what has no partner."""
    likeness = sorted(
        ((sum(ratio(value(found), value(wanted)) for value in parts.values()), at, to)
        for at, found in enumerate(read) for to, wanted in enumerate(true)),
        reverse=True,
    )  # fmt: skip
    partners: dict[int, int] = {}
    for _, at, to in likeness:
        if at not in partners and to not in partners.values():
            partners[at] = to
    pairs: list[tuple[E | None, E | None]] = [(read[at], true[to]) for at, to in partners.items()]
    pairs += [(found, None) for at, found in enumerate(read) if at not in partners]
    pairs += [(None, wanted) for to, wanted in enumerate(true) if to not in partners.values()]
    return pairs


def _is_same(one: str, other: str) -> bool:
    return fold_for_comparison(one) == fold_for_comparison(other)


def _is_alike(one: str, other: str) -> bool:
    return ratio(fold_for_comparison(one), fold_for_comparison(other)) >= SUMMARY_SIMILARITY


def _bare_url(url: str) -> str:
    return url.removeprefix("https://").removeprefix("http://").removeprefix("www.").rstrip("/")


def _levelled(language: Language) -> str:
    return f"{language.name} {language.fluency}"


def _figure(text: str) -> str:
    """Return a grade without the word before it."""
    words = text.replace(":", " ").split()
    return words[-1] if words and any(map(str.isdigit, words[-1])) else text
