"""The answers that users got: the ground on which a run is judged."""

import time
from collections import Counter, defaultdict
from collections.abc import Set
from dataclasses import dataclass, field
from typing import Final

UNEXPECTED_STATUSES: Final = frozenset({"401", "403", "404", "500", "501"})
"""Users send only calls that they may make, with good tokens; and faults have answers of their own."""


OVERLOADED_STATUS: Final = "429 OVERLOADED"
"""Not for what the asker did, as the other 429 are, but because a process had too much to do."""


RETRYABLE_STATUSES: Final = frozenset({"none", OVERLOADED_STATUS, "502", "503", "504"})
"""Answers that faults have and that may be asked for again."""


@dataclass(frozen=True)
class InvariantViolation:
    """Something that must not be: what it is, and about which application or listing, if it is about one."""

    description: str
    subject: str


@dataclass(frozen=True)
class Operation:
    """One change that a user asked for, and the answer, `at_s` after the start of the run.

    `subject` is the ID of the application or listing, "" where the answer has none. `answer` is the status, 0
    when there was none within the patience of the asker; `tries` is how often it was asked for under one key,
    for `took_s` in all.
    """

    at_s: float
    who: str
    what: str
    subject: str
    answer: int
    reason: str
    tries: int
    detail: str = ""
    took_s: float = 0.0

    @property
    def asked_at_s(self) -> float:
        """When it was asked for the first time."""
        return self.at_s - self.took_s

    @property
    def acknowledged(self) -> bool:
        """Whether the answer says that it was done."""
        return 200 <= self.answer < 300

    @property
    def refused(self) -> bool:
        """Whether the answer says that it was not done, and will not be."""
        return 400 <= self.answer < 500

    def __str__(self) -> str:
        told = f"{self.answer} {self.reason}".strip() if self.answer else "no answer"
        tries = f" after {self.tries} tries" if self.tries > 1 else ""
        return f"{self.at_s:7.2f} s  {self.who} {self.what} {self.subject} {self.detail}: {told}{tries}"


def unexpected_answer_subject(status: str) -> str:
    """Return what calls are noted as, in the place of a subject, that were answered as none should be."""
    return f"answer {status}"


@dataclass
class OperationLog:
    """All operations of a run, and how its calls ended."""

    started: float = field(default_factory=time.monotonic)
    operations: list[Operation] = field(default_factory=list)
    call_counts: Counter[str] = field(default_factory=Counter)
    """Every try, reads included, by HTTP status or `OVERLOADED_STATUS`; "none" without an answer."""

    def record(self, **operation: str | float) -> Operation:
        """Record an operation with the time."""
        noted = Operation(at_s=time.monotonic() - self.started, **operation)  # type: ignore[arg-type]
        self.operations.append(noted)
        return noted

    def find_unexpected_answers(self) -> list[InvariantViolation]:
        """Answers that nobody should have got, whatever struck."""
        return self._answered(UNEXPECTED_STATUSES)

    def find_retried_answers(self) -> list[InvariantViolation]:
        """Return a violation for calls that clients had to repeat, which is right only while faults are
        injected."""
        return self._answered(RETRYABLE_STATUSES)

    def _answered(self, statuses: Set[str]) -> list[InvariantViolation]:
        return [
            InvariantViolation(
                f"{self.call_counts[status]} calls had this answer", unexpected_answer_subject(status)
            )
            for status in sorted(statuses & self.call_counts.keys())
        ]

    def acknowledged(self, what: str) -> list[Operation]:
        """Return the operations of one kind that were acknowledged."""
        return [
            operation for operation in self.operations if operation.what == what and operation.acknowledged
        ]

    def operations_about(self, subject: str) -> list[Operation]:
        """Return the operations about one application, or about a listing and its applications, in order."""
        return [
            operation for operation in self.operations if subject in (operation.subject, operation.detail)
        ]

    def applications_by_pair(self) -> dict[tuple[str, str], list[Operation]]:
        """All attempts to apply, by student and listing."""
        found: dict[tuple[str, str], list[Operation]] = defaultdict(list)
        for operation in self.operations:
            if operation.what == "apply":
                found[operation.who, operation.detail].append(operation)
        return found
