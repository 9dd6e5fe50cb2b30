"""Reads values of unknown shape; an error is recorded with its place, and reading goes on."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeVar

T = TypeVar("T")

_TYPE_NAMES: Final = {
    bool: "a truth value",
    int: "a number",
    float: "a fraction",
    str: "text",
    list: "a list",
}


@dataclass(frozen=True)
class ConfigReader:
    """A place in a file; `complaints` collects its errors, in words for the author of the file.

    Every method returns a usable value even when it complains.
    """

    file: str
    complaints: list[str]
    path: str = ""

    def at(self, key: str) -> "ConfigReader":
        """Return the place of a key of the mapping that is here."""
        return ConfigReader(self.file, self.complaints, f"{self.path}.{key}" if self.path else key)

    def complain(self, what: str, allowed: str = "") -> None:
        """Record that `what` stands here instead of something `allowed`."""
        place = f"{self.file}: {self.path}" if self.path else self.file
        self.complaints.append(f"{place}: {what}" + (f"; allowed: {allowed}" if allowed else ""))

    def mapping(self, found: Any, allowed: Sequence[str]) -> dict[str, Any] | None:
        """Return the mapping that is here; complain about keys other than the allowed ones."""
        if not isinstance(found, dict):
            self.complain(f"is {_type_name(found)}", f"a mapping with {', '.join(allowed)}")
            return None
        for key in found:
            if key not in allowed:
                self.at(str(key)).complain("is an unknown key", ", ".join(allowed))
        return found

    def items(self, found: Any) -> Iterable[tuple["ConfigReader", Any]]:
        """Return the items of the list that is here, each with its place."""
        if not isinstance(found, list):
            self.complain(f"is {_type_name(found)}", "a list")
            return
        for number, item in enumerate(found):
            yield ConfigReader(self.file, self.complaints, f"{self.path}[{number}]"), item

    def text(self, found: Any, *, required: bool = False) -> str:
        """Return the text that is here."""
        if not isinstance(found, str) and (found is not None or not required):
            self.complain(f"is {_type_name(found)}", "text; quote what YAML reads as something else")
        elif required and not found:
            self.complain("is missing" if found is None else "is empty", "text")
        return found if isinstance(found, str) else ""

    def truth(self, found: Any) -> bool:
        """Return the truth value that is here."""
        if not isinstance(found, bool):
            self.complain(f"is {_type_name(found)}", "true, false")
        return found is True

    def number(self, found: Any, least: int, most: int) -> int:
        """Return the whole number from `least` to `most` that is here."""
        allowed = f"a whole number from {least} to {most}"
        if found is None:
            self.complain("is missing", allowed)
        elif isinstance(found, bool) or not isinstance(found, int):
            self.complain(f"is {_type_name(found)}", allowed)
        elif not least <= found <= most:
            self.complain(f"is {found}", allowed)
        else:
            return found
        return least

    def one_of(self, found: Any, choices: Mapping[str, T]) -> T | None:
        """Return the choice that the word here names, in any letter case."""
        choice = choices.get(found.lower()) if isinstance(found, str) else None
        if choice is None:
            what = "is missing" if found is None else f"is {found!r}"
            self.complain(what, ", ".join(choices))
        return choice


def _type_name(found: Any) -> str:
    return _TYPE_NAMES.get(type(found), "a mapping" if isinstance(found, dict) else "empty")
