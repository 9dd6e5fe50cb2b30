"""The verification of a company by the proof of its domain.

A proof is only ever of something that nobody else can do: to set a TXT record of the domain, or to read mail
at it. So domains below which everybody registers (public suffixes) are refused, and for the proof by a mail
address also those whose addresses everybody gets: of free mail, of throw-away mail, and of schools, where
they are the students'. Companies that moderators have rejected or suspended cannot verify themselves.
"""

import base64
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final, Protocol

from chassis.errors import Violation, domain_error, invalid_argument
from chassis.text import EmailAddressError, parse_email_address
from services.user.domain.company import Company, CompanyState, DomainVerification, VerificationMethod

VERIFICATION_LIFE: Final = timedelta(days=14)
DNS_LABEL: Final = "_internshipconnect"
DNS_TEXT_PREFIX: Final = "internshipconnect-verification="
MAX_DOMAIN_LENGTH: Final = 253 - len(DNS_LABEL) - 1
_TOKEN_BYTES: Final = 20
_SCHOOL_LABELS: Final = frozenset({"edu", "ac"})
"""`stanford.edu`, `ox.ac.uk`, `unimelb.edu.au`. Schools elsewhere have no label of their own."""

COMPANY_TRANSITIONS: Final[Mapping[CompanyState, frozenset[CompanyState]]] = {
    CompanyState.UNVERIFIED: frozenset({CompanyState.PENDING}),
    CompanyState.PENDING: frozenset({CompanyState.PENDING, CompanyState.VERIFIED}),
    CompanyState.VERIFIED: frozenset(),
    CompanyState.REJECTED: frozenset(),
    CompanyState.SUSPENDED: frozenset(),
}
"""The moves that a company can cause by itself. Moderators may put it into any state."""

_IMPOSSIBLE_WORDS: Final[Mapping[CompanyState, str]] = {
    CompanyState.UNVERIFIED: "The company has not asked for a verification yet.",
    CompanyState.VERIFIED: "The company is verified already.",
    CompanyState.REJECTED: "A moderator has rejected the company; only a moderator can verify it.",
}


class DomainCatalogue(Protocol):
    """Knows who can have a domain, or an address at it."""

    def registrable_domain(self, domain: str) -> str | None:
        """Return the part of a domain that its owner has registered; None for a public suffix."""
        ...

    def offers_mail_to_everybody(self, domain: str) -> bool:
        """Return whether everybody can get an address at the domain."""
        ...


@dataclass(frozen=True, slots=True)
class DomainEvidence:
    """What was found: the texts of the domain's record, or the domain of the caller's proven address."""

    texts: tuple[str, ...] = ()
    address_domain: str = ""


def read_domain(text: str, method: VerificationMethod, catalogue: DomainCatalogue) -> str:
    """Return the domain in A-labels. Raises INVALID_FIELD on `domain` for one that can prove nothing."""
    try:
        domain = "" if "@" in text else parse_email_address(f"postmaster@{text.strip()}").domain.lower()
    except EmailAddressError:
        domain = ""
    if not domain or len(domain) > MAX_DOMAIN_LENGTH:
        raise _invalid_domain("must be a domain such as example.com")
    registrable = catalogue.registrable_domain(domain)
    if registrable is None:
        raise _invalid_domain(f"{domain} is nobody's own: everybody can register a name below it")
    if method is VerificationMethod.WORK_ADDRESS:
        _check_work_domain(domain, registrable, catalogue)
    return domain


def dns_name(verification: DomainVerification) -> str:
    """Return the name of the TXT record that proves the domain."""
    return f"{DNS_LABEL}.{verification.domain}"


def dns_text(verification: DomainVerification) -> str:
    """Return the text that the record has to hold."""
    return f"{DNS_TEXT_PREFIX}{verification.token}"


def new_verification(domain: str, method: VerificationMethod, now: datetime) -> DomainVerification:
    """Return a request that begins now, with a token of its own."""
    token = base64.urlsafe_b64encode(secrets.token_bytes(_TOKEN_BYTES)).decode().rstrip("=")
    return DomainVerification(domain, method, token, now, now + VERIFICATION_LIFE)


def request_verification(company: Company, request: DomainVerification, now: datetime) -> Company:
    """Return the company with a pending request; with its present one if that is of the same domain and way.

    Raises COMPANY_SUSPENDED, VERIFICATION_NOT_POSSIBLE.
    """
    _check_possible(company, CompanyState.PENDING)
    known = company.verification
    if known and (known.domain, known.method) == (request.domain, request.method) and now < known.expire_time:
        return company
    pending = company.with_state(CompanyState.PENDING, "", "", now)
    return replace(pending, verification=request)


def check_verification(company: Company, evidence: DomainEvidence, now: datetime) -> Company:
    """Return the company verified if the evidence proves its domain; else with the problem.

    Raises COMPANY_SUSPENDED, VERIFICATION_NOT_POSSIBLE.
    """
    verification = require_pending(company, now)
    problem = _find_problem(verification, evidence)
    checked = replace(company, verification=replace(verification, check_time=now, problem=problem))
    if problem:
        return checked
    verified = checked.with_state(CompanyState.VERIFIED, "", _proof_words(verification), now)
    return replace(verified, verified_domain=verification.domain)


def require_pending(company: Company, now: datetime) -> DomainVerification:
    """Return the request that can be proven now. Raises COMPANY_SUSPENDED, VERIFICATION_NOT_POSSIBLE."""
    _check_possible(company, CompanyState.VERIFIED)
    verification = company.verification
    if verification is None:
        raise domain_error(
            "VERIFICATION_NOT_POSSIBLE", "The company has named no domain that could be proven."
        )
    if now >= verification.expire_time:
        raise domain_error(
            "VERIFICATION_NOT_POSSIBLE", "The request is too old; ask for the verification again."
        )
    return verification


def _check_possible(company: Company, target: CompanyState) -> None:
    if company.state is CompanyState.SUSPENDED:
        raise domain_error("COMPANY_SUSPENDED", f"The company {company.name} is suspended.")
    if target not in COMPANY_TRANSITIONS[company.state]:
        raise domain_error("VERIFICATION_NOT_POSSIBLE", _IMPOSSIBLE_WORDS[company.state])


def _find_problem(verification: DomainVerification, evidence: DomainEvidence) -> str:
    if verification.method is VerificationMethod.WORK_ADDRESS:
        if evidence.address_domain == verification.domain:
            return ""
        return f"Your proven e-mail address is not at {verification.domain}."
    if dns_text(verification) in _clean_texts(evidence.texts):
        return ""
    found = "has other texts" if evidence.texts else "was not found"
    return f"The TXT record of {dns_name(verification)} {found}; changes of DNS may take an hour to be seen."


def _clean_texts(texts: Iterable[str]) -> set[str]:
    return {text.strip().strip('"') for text in texts}


def _proof_words(verification: DomainVerification) -> str:
    if verification.method is VerificationMethod.DNS:
        return f"{verification.domain} is proven by DNS."
    return f"{verification.domain} is proven by an owner's address."


def _check_work_domain(domain: str, registrable: str, catalogue: DomainCatalogue) -> None:
    if any(catalogue.offers_mail_to_everybody(each) for each in (domain, registrable)):
        raise _invalid_domain(f"everybody can have an address at {domain}; prove another domain, by DNS")
    if _SCHOOL_LABELS & set(domain.split(".")[-2:]):
        raise _invalid_domain(f"students have addresses at {domain}; prove it by DNS")


def _invalid_domain(message: str) -> Exception:
    return invalid_argument(Violation("domain", message))
