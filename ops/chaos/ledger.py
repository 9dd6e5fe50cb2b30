"""What people were told: the ground on which a run is judged."""

import time
from collections import Counter, defaultdict
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Deed:
    """One change that somebody asked for, and what they were told in the end.

    `subject` is the ID of the application or listing, "" where none was told. `answer` is the HTTP status, 0
    when there was none within the patience of the asker; `tries` is how often it was asked for under one key.
    """

    at_s: float
    who: str
    what: str
    subject: str
    answer: int
    reason: str
    tries: int
    detail: str = ""

    @property
    def acknowledged(self) -> bool:
        """Whether the asker was told that it was done."""
        return 200 <= self.answer < 300

    @property
    def refused(self) -> bool:
        """Whether the asker was told that it was not done, and will not be."""
        return 400 <= self.answer < 500

    def __str__(self) -> str:
        told = f"{self.answer} {self.reason}".strip() if self.answer else "no answer"
        tries = f" after {self.tries} tries" if self.tries > 1 else ""
        return f"{self.at_s:7.2f} s  {self.who} {self.what} {self.subject} {self.detail}: {told}{tries}"


@dataclass
class Ledger:
    """All deeds of a run, and how its calls ended."""

    started: float = field(default_factory=time.monotonic)
    deeds: list[Deed] = field(default_factory=list)
    calls: Counter[str] = field(default_factory=Counter)
    """Every single try, reads included, by HTTP status; "none" for one without an answer."""

    def note(self, **deed: str | int) -> Deed:
        """Puts a deed down, with the time."""
        noted = Deed(at_s=time.monotonic() - self.started, **deed)  # type: ignore[arg-type]
        self.deeds.append(noted)
        return noted

    def acknowledged(self, what: str) -> list[Deed]:
        """The deeds of one kind that were acknowledged."""
        return [deed for deed in self.deeds if deed.what == what and deed.acknowledged]

    def about(self, subject: str) -> list[Deed]:
        """The deeds about one application or listing, in order."""
        return [deed for deed in self.deeds if deed.subject == subject]

    def asked_for(self) -> dict[tuple[str, str], list[Deed]]:
        """All attempts to apply, by student and listing."""
        found: dict[tuple[str, str], list[Deed]] = defaultdict(list)
        for deed in self.deeds:
            if deed.what == "apply":
                found[deed.who, deed.detail].append(deed)
        return found
