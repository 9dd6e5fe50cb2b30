"""JSON Resumes (schema v1.0.0, and names of its drafts) as profiles; what does not fit is noted.

Each part is checked by the rules of profiles. A value that breaks one is left out, a part that cannot be
without it as a whole; both with a note that says where and why. Sections that the document lacks stay as
they are in the profile.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import MISSING, dataclass, field, fields, replace
from itertools import chain
from typing import Any, Final, Protocol

from chassis.errors import Violation
from chassis.text import fold_for_comparison, to_single_line, without_unwanted_characters
from services.user.domain.normalisation import normalise_profile
from services.user.domain.profile import (
    Location,
    Profile,
    ProfileKind,
    ProfileLink,
    Skill,
    SkillLevel,
    Student,
    check_profile,
)
from services.user.domain.resume_export import EXTENSION
from services.user.domain.resume_fields import ImportNote, ResumeFields, ResumeNotes
from services.user.domain.resume_parts import (
    SECTIONS,
    ReadPart,
    read_availability,
    read_preferences,
    skill_level_of,
)

MAX_SKILLS_READ: Final = 100
"""Skills of one document that are looked at; a profile has fewer."""
MAX_PROBLEMS: Final = 100
"""Values that are left out one by one; beyond, a part with a wrong value is left out as a whole."""
_IGNORED_KEYS: Final = frozenset({"$schema", "meta"})
_STEP: Final = re.compile(r"(\w+)(?:\[(\d+)\])?")
_CONTROLS: Final = re.compile("[\x00-\x08\x0b-\x1f\x7f]")
_TEXTS_WITH_LINES: Final = frozenset({"summary"})


class ProfileRules(Protocol):
    """The contract's rules for the fields of a profile."""

    def find_violations(self, profile: Profile) -> Iterable[Violation]:
        """Return the broken rules; paths as in `check_profile`, such as `student.skills[0].name`."""
        ...

    def max_items(self, list_name: str) -> int:
        """Return how many items a list of the student's part may have, such as `skills`."""
        ...


@dataclass(frozen=True, slots=True)
class ResumeDraft:
    """The values that a JSON Resume has for a profile, and the notes on the rest of it.

    `values` are fields of the student's part; `more_notes` counts the notes that are not among `notes`.
    """

    name: str
    values: Mapping[str, Any]
    notes: tuple[ImportNote, ...] = ()
    more_notes: int = 0

    def apply_to(self, profile: Profile) -> Profile:
        """Return the profile with these values."""
        student = replace(profile.student or Student(), **self.values)
        return normalise_profile(replace(profile, name=self.name or profile.name, student=student))


def read_json_resume(document: Mapping[str, Any], profile: Profile, rules: ProfileRules) -> ResumeDraft:
    """Return what a JSON Resume says for the profile of its owner."""
    return _ResumeReader(profile, rules).read(document)


@dataclass
class _ResumeReader:
    """Reads one document."""

    profile: Profile
    rules: ProfileRules
    notes: ResumeNotes = field(default_factory=ResumeNotes)
    values: dict[str, Any] = field(default_factory=dict)
    problem_count: int = 0

    def read(self, document: Mapping[str, Any]) -> ResumeDraft:
        root = ResumeFields("", document, self.notes)
        name = self._read_basics(root)
        for attribute, sections in SECTIONS.items():
            self._read_sections(root, attribute, sections)
        self._read_skills(root)
        for attribute in ("skills", "languages"):
            self._drop_repeated(attribute)
        self._read_extension(root)
        root.skip(*_IGNORED_KEYS)
        root.note_unread()
        return ResumeDraft(name, self.values, tuple(self.notes.kept), self.notes.left_out)

    def _read_basics(self, root: ResumeFields) -> str:
        basics = root.child("basics")
        if basics is None:
            return ""
        name, email = basics.text("name"), basics.text("email")
        if email and fold_for_comparison(email) != fold_for_comparison(self.profile.email):
            self.notes.add("basics.email", "left out: the account's address is no part of the profile")
        for attribute, keys in (("headline", ("label",)), ("summary", ("summary", "bio"))):
            if basics.has(*keys):
                written: dict[str, Any] = {attribute: basics.text(*keys)}
                fitted = self._fit(basics.path, Student(**written), "", {attribute: keys[0]})
                self.values[attribute] = getattr(fitted, attribute)
        self._read_location(basics)
        self._read_links(basics)
        basics.note_unread()
        return self._fitting_name(name)

    def _fitting_name(self, name: str) -> str:
        for candidate in (name, _one_line(name)):
            if not list(self.rules.find_violations(_probe(Student(), candidate))):
                return candidate
        self.notes.add("basics.name", "left out: it is too long")
        return ""

    def _read_location(self, basics: ResumeFields) -> None:
        place = basics.child("location")
        if place is None:
            return
        lat, lng = place.number("lat"), place.number("lng")
        if (lat is None) != (lng is None):
            self.notes.add(place.path, "its coordinate is left out: lat and lng belong together")
            lat = lng = None
        found = Location(
            place.text("city"), place.text("region", "state"), place.text("countryCode"), lat, lng
        )
        place.note_unread()
        self._put("location", self._fit(place.path, found, "location", {"country": "countryCode"}))

    def _read_links(self, basics: ResumeFields) -> None:
        if not basics.has("url", "website", "profiles"):
            return
        links = []
        if url := basics.text("url", "website"):
            links.append(self._fit("basics", ProfileLink("Website", url), "links[0]", {}))
        for item in basics.children("profiles"):
            label, user, address = item.text("network"), item.text("username"), item.text("url")
            item.note_unread()
            if not address:
                self.notes.add(item.path, "left out: a link needs a url")
                continue
            link = ProfileLink(label or user, address)
            links.append(self._fit(item.path, link, "links[0]", {"label": "network"}))
        self._put_list("links", "basics.profiles", links)

    def _read_sections(
        self, root: ResumeFields, attribute: str, sections: Mapping[str, Callable[[ResumeFields], ReadPart]]
    ) -> None:
        """Read the sections that become one list of the profile, each item by its section's function."""
        parts = []
        for section, read_item in sections.items():
            for item in root.children(section):
                part, names = read_item(item)
                item.note_unread()
                parts.append(self._fit(item.path, part, f"{attribute}[0]", names))
        if root.has(*sections):
            self._put_list(attribute, next(iter(sections)), parts)

    def _read_skills(self, root: ResumeFields) -> None:
        """Read groups of skills: the group's name is one, and so is each of its keywords."""
        named: list[tuple[str, Skill]] = []
        for item in root.children("skills"):
            texts = [(item.path_of("name"), item.text("name")), *item.texts("keywords")]
            level = skill_level_of(item)
            item.note_unread()
            named += [(path, Skill(text, level)) for path, text in texts if text]
        if len(named) > MAX_SKILLS_READ:
            more = len(named) - MAX_SKILLS_READ
            self.notes.add(named[MAX_SKILLS_READ][0], f"left out, with those after it: {more} too many")
        parts = [self._fit(path, part, "skills[0]", {"name": ""}) for path, part in named[:MAX_SKILLS_READ]]
        if root.has("skills"):
            self._put_list("skills", "skills", parts)

    def _read_extension(self, root: ResumeFields) -> None:
        """Read the data that this marketplace keeps beside those of the schema."""
        meta = root.child("meta")
        own = meta.child(EXTENSION) if meta is not None else None
        if own is None:
            return
        if (days := own.child("availability")) is not None:
            part, names = read_availability(days)
            days.note_unread()
            self._put("availability", self._fit(days.path, part, "availability", names))
        if (wishes := own.child("preferences")) is not None:
            part, names = read_preferences(wishes)
            wishes.note_unread()
            self._put("preferences", self._fit(wishes.path, part, "preferences", names))
        if own.has("workAuthorisation"):
            countries = dict.fromkeys(text for _, text in own.texts("workAuthorisation"))
            names = {"work_authorisation": "workAuthorisation"}
            fitted = self._fit(own.path, Student(work_authorisation=tuple(countries)), "", names)
            self._put_list("work_authorisation", own.path, fitted.work_authorisation if fitted else ())
        own.note_unread()

    def _put(self, attribute: str, part: Any) -> None:
        if part is not None:
            self.values[attribute] = part

    def _put_list(self, attribute: str, path: str, parts: Iterable[Any]) -> None:
        """Keep as many parts as a profile may have."""
        known, limit = [part for part in parts if part is not None], self.rules.max_items(attribute)
        if len(known) > limit:
            self.notes.add(path, f"{len(known) - limit} are left out: a profile has at most {limit}")
        self.values[attribute] = tuple(known[:limit])

    def _drop_repeated(self, attribute: str) -> None:
        """Keep the first of several parts of one name, as a profile names each once."""
        kept: dict[str, Any] = {}
        for part in self.values.get(attribute, ()):
            first = kept.setdefault(fold_for_comparison(part.name), part)
            if first != part:
                self.notes.add(attribute, f"left out: `{part.name}` is named more than once")
        if attribute in self.values:
            self.values[attribute] = tuple(kept.values())

    def _fit(self, path: str, part: Any, place: str, names: Mapping[str, str]) -> Any:
        """Return the part without the values that break a rule; None when it cannot be without them.

        `place` is where the part stands in the student's part, such as `skills[0]`; "" for the whole of it.
        `names` are the document's names of the part's fields, where they differ. Blanks and invisible
        characters are mended without a note.
        """
        while (problem := self._first_problem(part, place)) is not None:
            attribute, index = _place_within(problem.field, place)
            mended = _mend(part, attribute, index)
            if mended == part:
                shown = f"{path}.{names.get(attribute, attribute)}".rstrip(".")
                at = "" if index is None else f"[{index}]"
                self.notes.add(f"{shown}{at}", f"left out: {problem.description}")
                self.problem_count += 1
                is_bounded = self.problem_count <= MAX_PROBLEMS
                mended = _without_value(part, attribute, index) if is_bounded else None
            if mended is None:
                return None
            part = mended
        return part

    def _first_problem(self, part: Any, place: str) -> Violation | None:
        name, is_item = place.removesuffix("[0]"), place.endswith("[0]")
        held: dict[str, Any] = {name: (part,) if is_item else part}
        student = Student(**held) if place else part
        probe = normalise_profile(_probe(student))
        found = chain(self.rules.find_violations(probe), check_profile(_probe(Student()), probe))
        return next(found, None)


def _probe(student: Student, name: str = "") -> Profile:
    return Profile("", ProfileKind.STUDENT, name=name, student=student)


def _place_within(path: str, place: str) -> tuple[str, int | None]:
    """Return the attribute of a part, and the index in it, that a path in the profile leads to."""
    inner = path.removeprefix("student.").removeprefix(place).lstrip(".")
    found = _STEP.match(inner)
    if found is None:
        return "", None
    return found[1], None if found[2] is None else int(found[2])


def _attribute_of(part: Any, attribute: str) -> Any:
    """Return the field of a part that has the contract's name; None when there is none."""
    return next((each for each in fields(part) if each.name.rstrip("_") == attribute), None)


def _mend(part: Any, attribute: str, index: int | None) -> Any:
    """Return the part with a text as the profile's rules want it, if blanks and controls are the matter."""
    found = _attribute_of(part, attribute)
    if found is None:
        return part
    value, mend = getattr(part, found.name), _clean_lines if attribute in _TEXTS_WITH_LINES else _one_line
    if isinstance(value, str):
        return part if isinstance(value, SkillLevel) else replace(part, **{found.name: mend(value)})
    if isinstance(value, tuple) and index is not None and isinstance(value[index], str):
        return replace(part, **{found.name: (*value[:index], mend(value[index]), *value[index + 1 :])})
    return part


def _without_value(part: Any, attribute: str, index: int | None) -> Any:
    """Return the part without a value; None when it needs one there, or has none."""
    found = _attribute_of(part, attribute)
    if found is None or found.default is MISSING:
        return None
    value, empty = getattr(part, found.name), found.default
    if isinstance(value, tuple) and index is not None:
        empty = (*value[:index], *value[index + 1 :])
    return None if value == empty else replace(part, **{found.name: empty})


def _one_line(text: str) -> str:
    return without_unwanted_characters(to_single_line(text))


def _clean_lines(text: str) -> str:
    return _CONTROLS.sub("", text.replace("\r\n", "\n").replace("\r", "\n"))
