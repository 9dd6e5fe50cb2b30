"""What people have consented to: a ledger to which entries are added, and in which nothing is changed.

Each purpose has its texts, one a version; a person consents to the newest one. An entry says that a consent
was given or withdrawn, and the last one of a purpose counts.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from chassis.errors import domain_error


class ConsentPurpose(StrEnum):
    UNSPECIFIED = "UNSPECIFIED"
    MARKETING = "MARKETING"
    TALENT_POOL = "TALENT_POOL"


class ConsentSource(StrEnum):
    """Where the person was asked, or has looked for it."""

    UNSPECIFIED = "UNSPECIFIED"
    REGISTRATION = "REGISTRATION"
    SETTINGS = "SETTINGS"
    APPLICATION = "APPLICATION"


CONSENT_TEXTS: Final[Mapping[ConsentPurpose, tuple[Mapping[str, str], ...]]] = {
    ConsentPurpose.MARKETING: (
        {
            "en": "InternshipConnect may send me mails with news and tips. I can withdraw this at any time.",
            "de": (
                "InternshipConnect darf mir E-Mails mit Neuigkeiten und Tipps schicken. Ich kann das"
                " jederzeit widerrufen."
            ),
        },
    ),
    ConsentPurpose.TALENT_POOL: (
        {
            "en": (
                "Companies to which I have applied may keep my application for later openings. I can withdraw"
                " this at any time."
            ),
            "de": (
                "Unternehmen, bei denen ich mich beworben habe, dürfen meine Bewerbung für spätere Stellen"
                " behalten. Ich kann das jederzeit widerrufen."
            ),
        },
    ),
}
"""The texts of each purpose by language: version 1 first, the newest one last. A text is never changed."""


@dataclass(frozen=True, slots=True)
class ConsentEntry:
    """One entry; `number` counts a person's entries of one purpose, from 1.

    `text_version` is the version that was consented to, also in an entry that withdraws this.
    """

    id: str
    user_id: str
    purpose: ConsentPurpose
    number: int
    given: bool
    text_version: int
    time: datetime
    source: ConsentSource


@dataclass(frozen=True, slots=True)
class ConsentStatus:
    """A purpose with its newest text, and the person's last entry about it, if there is one."""

    purpose: ConsentPurpose
    text_version: int
    texts: Mapping[str, str]
    last: ConsentEntry | None = None

    @property
    def given(self) -> bool:
        """Whether the person consents now, to whichever version."""
        return self.last is not None and self.last.given


def newest_version(purpose: ConsentPurpose) -> int:
    """Return the version of a purpose's newest text."""
    return len(CONSENT_TEXTS[purpose])


def consent_status(purpose: ConsentPurpose, last: ConsentEntry | None) -> ConsentStatus:
    """Return where a person stands with a purpose."""
    return ConsentStatus(purpose, newest_version(purpose), CONSENT_TEXTS[purpose][-1], last)


@dataclass(frozen=True, slots=True)
class ConsentDecision:
    """A wish to give a consent to a version of the text, or to withdraw it (`text_version` is 0)."""

    purpose: ConsentPurpose
    source: ConsentSource
    text_version: int = 0

    @property
    def gives(self) -> bool:
        return self.text_version > 0

    def entry_after(
        self, last: ConsentEntry | None, *, entry_id: str, user_id: str, now: datetime
    ) -> ConsentEntry | None:
        """Return the entry that follows the last one; None when that says the same already.

        Raises CONSENT_TEXT_OUTDATED for a version that is not the newest.
        """
        if self.gives and self.text_version != newest_version(self.purpose):
            raise domain_error(
                "CONSENT_TEXT_OUTDATED",
                f"Version {self.text_version} is not the newest text of {self.purpose}: show version "
                f"{newest_version(self.purpose)} and ask again.",
            )
        if not self.gives and (last is None or not last.given):
            return None
        if self.gives and last is not None and last.given and last.text_version == self.text_version:
            return None
        consented = last.text_version if last is not None and not self.gives else self.text_version
        number = last.number + 1 if last else 1
        return ConsentEntry(entry_id, user_id, self.purpose, number, self.gives, consented, now, self.source)
