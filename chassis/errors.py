"""Failures that a caller is meant to read.

A `DomainError` names a reason of the contract's table (`errors/v1`); one interceptor looks up the status,
HTTP code and advice of the reason in that table. This module is pure, so that domain code may raise these
errors without knowing any transport.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Violation:
    """One field that breaks a rule: its path, and the rule in words.

    The path is as in JSON, from the request or from the object in its body (`locations[0].city`); names of
    fields in the description are spelled likewise. `chassis.grpc.field_names` translates both into the
    caller's spelling.
    """

    field: str
    description: str


@dataclass(frozen=True, slots=True)
class AllowedTransition:
    """A move that a caller can make: the state that it leads to, and its RPC (`AcceptOffer`)."""

    target: str
    rpc_name: str


class DomainError(Exception):
    """A call failed for a reason that the contract names.

    `reason` is the name in `errors.v1.Reason` without its prefix, `resource` a pair (kind, name),
    `retry_after_s` the advised wait in seconds, `allowed_transitions` the moves that are possible instead of
    an illegal one.
    """

    def __init__(
        self,
        reason: str,
        message: str,
        *,
        violations: Iterable[Violation] = (),
        resource: tuple[str, str] | None = None,
        metadata: Mapping[str, str] | None = None,
        retry_after_s: float | None = None,
        allowed_transitions: Iterable[AllowedTransition] = (),
    ) -> None:
        super().__init__(f"{reason}: {message}")
        self.reason = reason
        self.message = message
        self.violations = tuple(violations)
        self.resource = resource
        self.metadata: Mapping[str, str] = dict(metadata or {})
        self.retry_after_s = retry_after_s
        self.allowed_transitions = tuple(allowed_transitions)


def domain_error(reason: str, message: str, *violations: Violation) -> DomainError:
    """Return an error of the given reason; the violations name the fields that caused it, if any did."""
    return DomainError(reason, message, violations=violations)


def not_found(reason: str, kind: str, name: str) -> DomainError:
    """Return an error of `reason`: there is no `kind` called `name`, or the caller may not see it."""
    return DomainError(reason, f"There is no {kind} {name}.", resource=(kind, name))


def invalid_argument(*violations: Violation, reason: str = "INVALID_FIELD") -> DomainError:
    """Return an error of `reason` for invalid input: at least one violation, each with its field."""
    return DomainError(reason, join_violations(violations), violations=violations)


def join_violations(violations: Iterable[Violation]) -> str:
    """Return the violations as one message."""
    return "; ".join(f"{violation.field}: {violation.description}" for violation in violations)


def illegal_transition(
    message: str, from_: str, to: str, allowed_transitions: Iterable[AllowedTransition]
) -> DomainError:
    """Return ILLEGAL_TRANSITION with the moves that the caller can make instead.

    States are spelled as in answers (`INTERNSHIP_STATE_OPEN`), so that a client can compare them.
    """
    return DomainError(
        "ILLEGAL_TRANSITION",
        message,
        metadata={"state": from_, "target": to},
        allowed_transitions=allowed_transitions,
    )


def stale_etag(kind: str, name: str) -> DomainError:
    """Return STALE_ETAG: the `kind` called `name` has changed since the caller read it."""
    return DomainError(
        "STALE_ETAG", f"The {kind} {name} has changed since it was read.", resource=(kind, name)
    )


def permission_denied(message: str) -> DomainError:
    """Return PERMISSION_DENIED: the caller is authenticated and may not do this."""
    return DomainError("PERMISSION_DENIED", message)


def unavailable(what: str, retry_after_s: float = 1.0) -> DomainError:
    """Return UNAVAILABLE: a dependency does not answer; `what` names it in the caller's words."""
    return DomainError(
        "UNAVAILABLE", f"{_capitalize_first(what)} does not answer right now.", retry_after_s=retry_after_s
    )


UNAVAILABLE_REASONS: Final = frozenset({"UNAVAILABLE", "DEADLINE_EXCEEDED", "OVERLOADED"})
"""Reasons that say nothing about the requested object, only that it cannot be had now."""


def overloaded(what: str, retry_after_s: float = 1.0) -> DomainError:
    """Return OVERLOADED: a bounded pool or queue is full; `what` names it in the caller's words."""
    return DomainError(
        "OVERLOADED", f"{_capitalize_first(what)} is at its limit right now.", retry_after_s=retry_after_s
    )


def _capitalize_first(what: str) -> str:
    return what[:1].upper() + what[1:]
