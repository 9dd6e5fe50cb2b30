"""Companies' pages."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Final

from chassis.errors import Violation
from chassis.text import is_blank
from services.user.domain.profile import Location, location_violations


class CompanyState(StrEnum):
    """The state of a company's verification, by moderators or by a proof: see `verification.py`."""

    UNSPECIFIED = "UNSPECIFIED"
    UNVERIFIED = "UNVERIFIED"
    PENDING = "PENDING"
    VERIFIED = "VERIFIED"
    SUSPENDED = "SUSPENDED"
    REJECTED = "REJECTED"


@dataclass(frozen=True, slots=True)
class Judgement:
    """A moderator's decision on a company: moderator, time and reason.

    A proof of the company's domain is one as well, without a moderator and with the proof as its reason.
    """

    time: datetime
    moderator: str
    source: CompanyState
    target: CompanyState
    reason: str = ""


MAX_JUDGEMENTS: Final = 50
"""The latest decisions that a company's page keeps."""
_DISTRUSTED: Final = frozenset({CompanyState.UNVERIFIED, CompanyState.REJECTED})


class VerificationMethod(StrEnum):
    """How a company proves that a domain is its own."""

    DNS = "DNS"
    WORK_ADDRESS = "WORK_ADDRESS"


@dataclass(frozen=True, slots=True)
class DomainVerification:
    """A request to verify a company by its domain, which is in A-labels.

    `token` is what a TXT record of the domain has to hold; it is no secret. `problem` is what was missing at
    `check_time`.
    """

    domain: str
    method: VerificationMethod
    token: str
    request_time: datetime
    expire_time: datetime
    check_time: datetime | None = None
    problem: str = ""


class CompanySize(StrEnum):
    UNSPECIFIED = "UNSPECIFIED"
    FROM_1_TO_10 = "1_TO_10"
    FROM_11_TO_50 = "11_TO_50"
    FROM_51_TO_200 = "51_TO_200"
    FROM_201_TO_1000 = "201_TO_1000"
    OVER_1000 = "OVER_1000"


@dataclass(frozen=True, slots=True)
class Company:
    """A company's page. Version 0 has not been stored yet."""

    id: str
    name: str = ""
    url: str = ""
    about: str = ""
    locations: tuple[Location, ...] = ()
    size: CompanySize = CompanySize.UNSPECIFIED
    state: CompanyState = CompanyState.UNVERIFIED
    create_time: datetime | None = None
    update_time: datetime | None = None
    version: int = 0
    judgements: tuple[Judgement, ...] = ()
    verification: DomainVerification | None = None
    verified_domain: str = ""

    def with_state(self, state: CompanyState, moderator: str, reason: str, now: datetime) -> "Company":
        """Return the company in the state that was decided; the same one when it has that state.

        A company that is not, or no longer, trusted has to prove its domain from the beginning.
        """
        if state is self.state:
            return self
        judgement = Judgement(now, moderator, self.state, state, reason)
        kept = (*self.judgements, judgement)[-MAX_JUDGEMENTS:]
        decided = replace(self, state=state, judgements=kept)
        return replace(decided, verification=None, verified_domain="") if state in _DISTRUSTED else decided

    def with_next_version(self, now: datetime) -> "Company":
        """Return the next version, at this time."""
        return replace(self, create_time=self.create_time or now, update_time=now, version=self.version + 1)

    def with_registered_name(self, name: str) -> "Company":
        """Return the company with the name of its registration, if it has none."""
        return self if self.name else replace(self, name=name)


@dataclass(frozen=True, slots=True)
class CompanyListPage:
    """Companies in order; `missing` names shards that did not answer."""

    companies: list[Company]
    missing: list[str]


def check_company(before: Company, after: Company) -> tuple[Violation, ...]:
    """Return the violations of a changed company, beyond the contract's rules."""
    return tuple(_company_violations(before, after))


def _company_violations(before: Company, after: Company) -> Iterator[Violation]:
    if is_blank(after.name) and before.name:
        yield Violation("name", "cannot be empty")
    for index, location in enumerate(after.locations):
        yield from location_violations(f"locations[{index}]", location)
