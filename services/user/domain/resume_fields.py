"""Reading of JSON whose shape nobody promised: values by their keys, and notes on what could not be read."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from chassis.text import is_blank, normalize_nfc, to_single_line, truncate_text

MAX_NOTES: Final = 100
MAX_PATH_CHARS: Final = 200
MAX_PROBLEM_CHARS: Final = 500
MAX_ITEMS_READ: Final = 60
"""Items of one list that are looked at; no list of a profile has more."""

NO_PLACE: Final = "left out: a profile has no place for it"


@dataclass(frozen=True, slots=True)
class ImportNote:
    """A place of a document, such as `work[2].startDate`, and what became of it."""

    path: str
    problem: str


@dataclass
class ResumeNotes:
    """The notes on one document, as many as an answer holds; `left_out` counts the rest."""

    kept: list[ImportNote] = field(default_factory=list)
    left_out: int = 0

    def add(self, path: str, problem: str) -> None:
        """Note what became of a place."""
        if len(self.kept) >= MAX_NOTES:
            self.left_out += 1
            return
        shown = truncate_text(to_single_line(path), MAX_PATH_CHARS)
        self.kept.append(ImportNote(shown, truncate_text(to_single_line(problem), MAX_PROBLEM_CHARS)))


@dataclass
class ResumeFields:
    """One object of a document. It knows which of its keys were read, so that no other goes unnoticed."""

    path: str
    values: Mapping[str, Any]
    notes: ResumeNotes
    _read: set[str] = field(default_factory=set)

    def has(self, *keys: str) -> bool:
        """Return whether the object has one of the keys, with a value other than null."""
        return any(self.values.get(key) is not None for key in keys)

    def path_of(self, key: str) -> str:
        """Return the path of a key of this object."""
        return f"{self.path}.{key}" if self.path else key

    def text(self, *keys: str) -> str:
        """Return the text under the first of the keys that there is; a number counts as text."""
        key = next((key for key in keys if self.has(key)), None)
        return "" if key is None else self._as_text(self.path_of(key), self._take(key))

    def texts(self, key: str) -> list[tuple[str, str]]:
        """Return the texts of a list, each with its path, without empty ones."""
        found = [(path, self._as_text(path, value)) for path, value in self._items(key)]
        return [(path, text) for path, text in found if text]

    def number(self, key: str) -> float | None:
        """Return the number under a key, if there is one."""
        if not self.has(key):
            return None
        value = self._take(key)
        if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value):
            return value
        self.notes.add(self.path_of(key), "left out: it is no number")
        return None

    def child(self, key: str) -> "ResumeFields | None":
        """Return the object under a key, if there is one."""
        if not self.has(key):
            return None
        value = self._take(key)
        if isinstance(value, Mapping):
            return ResumeFields(self.path_of(key), value, self.notes)
        self.notes.add(self.path_of(key), "left out: it is no object")
        return None

    def children(self, key: str) -> Iterator["ResumeFields"]:
        """Yield the objects of a list."""
        for path, value in self._items(key):
            if isinstance(value, Mapping):
                yield ResumeFields(path, value, self.notes)
            else:
                self.notes.add(path, "left out: it is no object")

    def skip(self, *keys: str) -> None:
        """Count keys as read that say nothing about the person."""
        self._read.update(keys)

    def note_unread(self) -> None:
        """Note each key that nobody has read and that holds anything."""
        for key, value in self.values.items():
            if key not in self._read and value not in (None, "", [], {}):
                self.notes.add(self.path_of(key), NO_PLACE)

    def _take(self, key: str) -> Any:
        self._read.add(key)
        return self.values[key]

    def _items(self, key: str) -> Iterator[tuple[str, Any]]:
        if not self.has(key):
            return
        value, path = self._take(key), self.path_of(key)
        if not isinstance(value, list):
            self.notes.add(path, "left out: it is no list")
            return
        for index, item in enumerate(value[:MAX_ITEMS_READ]):
            yield f"{path}[{index}]", item
        if len(value) > MAX_ITEMS_READ:
            more = len(value) - MAX_ITEMS_READ
            self.notes.add(f"{path}[{MAX_ITEMS_READ}]", f"left out, with those after it: {more} too many")

    def _as_text(self, path: str, value: Any) -> str:
        if isinstance(value, str):
            return "" if is_blank(value) else normalize_nfc(value)
        if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value):
            return f"{value:g}" if value != int(value) else str(int(value))
        if value not in (None, "", [], {}):
            self.notes.add(path, "left out: it is no text")
        return ""
