"""The log of a run's operations and their answers, by which the run is judged."""

import time
from collections import Counter, defaultdict
from collections.abc import Set
from dataclasses import dataclass, field
from typing import Final

UNEXPECTED_STATUSES: Final = frozenset({"401", "403", "404", "500", "501"})
"""Users make only permitted calls, with valid tokens; and faults have other statuses."""


OVERLOADED_STATUS: Final = "429 OVERLOADED"
"""The 429 of an overloaded process, unlike the others, which the caller causes."""


RETRYABLE_STATUSES: Final = frozenset({"none", OVERLOADED_STATUS, "502", "503", "504"})
"""Answers that faults cause and after which a call may be repeated."""


REPEAT: Final = "apply again"
"""An application that was answered, sent once more under its key; `detail` is the ID in the first answer."""


@dataclass(frozen=True)
class InvariantViolation:
    """A violated invariant: its description, and the application or listing that it is about, if any."""

    description: str
    subject: str


@dataclass(frozen=True)
class Operation:
    """One change that a user requested, and its answer, `at_s` after the start of the run.

    `subject` is the ID of the application or listing, "" if the answer has none. `answer` is the status, 0
    when there was none before the user gave up; `tries` is the number of calls under one key, which took
    `took_s` in all.
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
        """The time of its first call, in seconds after the start of the run."""
        return self.at_s - self.took_s

    @property
    def acknowledged(self) -> bool:
        """Whether the answer says that the change was made."""
        return 200 <= self.answer < 300

    @property
    def refused(self) -> bool:
        """Whether the answer says that the change was not made, and will not be."""
        return 400 <= self.answer < 500

    def __str__(self) -> str:
        told = f"{self.answer} {self.reason}".strip() if self.answer else "no answer"
        tries = f" after {self.tries} tries" if self.tries > 1 else ""
        return f"{self.at_s:7.2f} s  {self.who} {self.what} {self.subject} {self.detail}: {told}{tries}"


def unexpected_answer_subject(status: str) -> str:
    """Return the subject under which calls with an unexpected status are logged."""
    return f"answer {status}"


@dataclass
class OperationLog:
    """All operations of a run, and the outcomes of its calls."""

    started: float = field(default_factory=time.monotonic)
    operations: list[Operation] = field(default_factory=list)
    call_counts: Counter[str] = field(default_factory=Counter)
    """The number of calls, reads and repeats included, by HTTP status or `OVERLOADED_STATUS`; "none" without
    an answer."""

    def record(self, **operation: str | float) -> Operation:
        """Record an operation with the time."""
        noted = Operation(at_s=time.monotonic() - self.started, **operation)  # type: ignore[arg-type]
        self.operations.append(noted)
        return noted

    def find_unexpected_answers(self) -> list[InvariantViolation]:
        """Return violations for answers that no call should get, whatever the faults."""
        return self._answered(UNEXPECTED_STATUSES)

    def find_retried_answers(self) -> list[InvariantViolation]:
        """Return violations for calls that had to be repeated, which only faults justify."""
        return self._answered(RETRYABLE_STATUSES)

    def _answered(self, statuses: Set[str]) -> list[InvariantViolation]:
        return [
            InvariantViolation(
                f"{self.call_counts[status]} calls had this answer", unexpected_answer_subject(status)
            )
            for status in sorted(statuses & self.call_counts.keys())
        ]

    def find_other_answers(self) -> list[InvariantViolation]:
        """Return violations for repeats under a known key that did not get the first answer."""
        return [
            InvariantViolation(f"a repeat under its key was answered: {operation}", operation.detail)
            for operation in self.operations
            if operation.what == REPEAT
            and (operation.refused or (operation.acknowledged and operation.subject != operation.detail))
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
        """Return all attempts to apply, by student and listing."""
        found: dict[tuple[str, str], list[Operation]] = defaultdict(list)
        for operation in self.operations:
            if operation.what == "apply":
                found[operation.who, operation.detail].append(operation)
        return found
