"""A résumé as it was read: a draft that its owner looks at and confirms."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Generic, TypeVar

from services.user.domain.profile import Education, Experience, Language, Location, ProfileLink, Skill

T = TypeVar("T")


class ResumeMediaType(StrEnum):
    """The kinds of files that are read."""

    PDF = "application/pdf"
    DOCX = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"


class ResumeOutcome(StrEnum):
    """How the reading of a file ended."""

    PARSED = "PARSED"
    UNREADABLE = "UNREADABLE"
    ENCRYPTED = "ENCRYPTED"
    TOO_LARGE = "TOO_LARGE"
    TIMED_OUT = "TIMED_OUT"
    NO_TEXT = "NO_TEXT"


class ResumeReadError(Exception):
    """The file cannot be read; `outcome` says why, and is never PARSED."""

    def __init__(self, outcome: ResumeOutcome) -> None:
        super().__init__(outcome.value)
        self.outcome = outcome


@dataclass(frozen=True, slots=True)
class ReadValue(Generic[T]):
    """A value, how certain it is (0 to 1), and the text that it was read from.

    `parts` are the certainties of an entry's fields, by name; empty for plain values.
    """

    value: T
    confidence: float
    source: str
    parts: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ParsedResume:
    """All that was found. The phone number is in E.164."""

    name: ReadValue[str] | None = None
    email: ReadValue[str] | None = None
    phone: ReadValue[str] | None = None
    location: ReadValue[Location] | None = None
    summary: ReadValue[str] | None = None
    links: tuple[ReadValue[ProfileLink], ...] = ()
    education: tuple[ReadValue[Education], ...] = ()
    experience: tuple[ReadValue[Experience], ...] = ()
    skills: tuple[ReadValue[Skill], ...] = ()
    languages: tuple[ReadValue[Language], ...] = ()


@dataclass(frozen=True, slots=True)
class ResumeParsing:
    """The result for one file; `resume` is set when the outcome is PARSED."""

    outcome: ResumeOutcome
    resume: ParsedResume | None = None
