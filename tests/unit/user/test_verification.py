"""The proof of a company's domain: nobody is verified by what others can do as well."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from chassis.errors import DomainError
from services.user.domain.company import Company, CompanyState, VerificationMethod
from services.user.domain.verification import (
    COMPANY_TRANSITIONS,
    VERIFICATION_LIFE,
    DomainEvidence,
    check_verification,
    dns_name,
    dns_text,
    new_verification,
    read_domain,
    request_verification,
)
from services.user.known_domains import shared_known_domains

NOW = datetime(2027, 1, 1, tzinfo=UTC)
COMPANY = Company("cmp_01JD0000000000000000000000", name="Acme")
DNS, WORK_ADDRESS = VerificationMethod.DNS, VerificationMethod.WORK_ADDRESS
KNOWN = shared_known_domains()


def pending(method: VerificationMethod = DNS, domain: str = "acme.com") -> Company:
    return request_verification(COMPANY, new_verification(domain, method, NOW), NOW)


def proof_of(company: Company) -> DomainEvidence:
    assert company.verification is not None
    if company.verification.method is DNS:
        return DomainEvidence(texts=("v=spf1 -all", dns_text(company.verification)))
    return DomainEvidence(address_domain=company.verification.domain)


@pytest.mark.parametrize("method", VerificationMethod)
def test_a_proven_domain_verifies_the_company_and_says_how(method: VerificationMethod) -> None:
    company = pending(method)
    verified = check_verification(company, proof_of(company), NOW)
    assert (verified.state, verified.verified_domain) == (CompanyState.VERIFIED, "acme.com")
    assert "acme.com is proven by" in verified.judgements[-1].reason
    assert verified.judgements[-1].moderator == ""


@pytest.mark.parametrize(
    "evidence",
    [
        DomainEvidence(),
        DomainEvidence(texts=("internshipconnect-verification=", "internshipconnect-verification")),
        DomainEvidence(texts=("internshipconnect-verification=another-companys-token",)),
        DomainEvidence(address_domain="acme.com"),
    ],
)
def test_without_the_record_the_company_waits_and_learns_what_is_missing(evidence: DomainEvidence) -> None:
    company = check_verification(pending(), evidence, NOW)
    assert company.state is CompanyState.PENDING
    assert company.verification is not None
    assert "_internshipconnect.acme.com" in company.verification.problem
    assert company.verified_domain == ""


def test_an_address_elsewhere_proves_nothing() -> None:
    company = check_verification(pending(WORK_ADDRESS), DomainEvidence(address_domain="mail.acme.com"), NOW)
    assert company.state is CompanyState.PENDING


def test_the_record_of_one_company_does_not_verify_another() -> None:
    mine, theirs = pending(), pending()
    assert check_verification(theirs, proof_of(mine), NOW).state is CompanyState.PENDING


def test_a_repeated_request_keeps_its_token_and_another_domain_gets_another() -> None:
    company = pending()
    again = request_verification(company, new_verification("acme.com", DNS, NOW), NOW)
    assert again == company
    other = request_verification(company, new_verification("acme.org", DNS, NOW), NOW)
    assert other.verification != company.verification
    assert check_verification(other, proof_of(company), NOW).state is CompanyState.PENDING


def test_a_request_ends_after_two_weeks() -> None:
    company, end = pending(), NOW + VERIFICATION_LIFE
    with pytest.raises(DomainError) as failure:
        check_verification(company, proof_of(company), end)
    assert failure.value.reason == "VERIFICATION_NOT_POSSIBLE"
    renewed = request_verification(company, new_verification("acme.com", DNS, end), end)
    assert check_verification(renewed, proof_of(renewed), end).state is CompanyState.VERIFIED


@pytest.mark.parametrize(
    ("state", "reason"),
    [
        (CompanyState.REJECTED, "VERIFICATION_NOT_POSSIBLE"),
        (CompanyState.SUSPENDED, "COMPANY_SUSPENDED"),
        (CompanyState.VERIFIED, "VERIFICATION_NOT_POSSIBLE"),
    ],
)
def test_a_moderators_decision_is_not_undone_by_a_proof(state: CompanyState, reason: str) -> None:
    decided = pending().with_state(state, "maria", "", NOW)
    with pytest.raises(DomainError) as failure:
        request_verification(decided, new_verification("acme.com", DNS, NOW), NOW)
    assert failure.value.reason == reason
    with pytest.raises(DomainError) as failure:
        check_verification(decided, proof_of(pending()), NOW)
    assert failure.value.reason == reason


def test_a_rejected_company_has_no_proven_domain_any_more() -> None:
    company = pending()
    verified = check_verification(company, proof_of(company), NOW)
    rejected = verified.with_state(CompanyState.REJECTED, "maria", "", NOW)
    assert (rejected.verified_domain, rejected.verification) == ("", None)
    suspended = verified.with_state(CompanyState.SUSPENDED, "maria", "", NOW)
    assert suspended.verified_domain == "acme.com"


@pytest.mark.parametrize(
    ("typed", "domain"),
    [
        ("acme.com", "acme.com"),
        (" ACME.com ", "acme.com"),
        ("münchen.de", "xn--mnchen-3ya.de"),
        ("jobs.acme.co.uk", "jobs.acme.co.uk"),
        ("acme.test", "acme.test"),
    ],
)
def test_a_domain_is_read_in_one_spelling(typed: str, domain: str) -> None:
    assert read_domain(typed, DNS, KNOWN) == domain


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "com",
        "co.uk",
        "github.io",
        "test",
        "localhost",
        "acme.internal",
        "acme.notatld",
        "127.0.0.1",
        "[127.0.0.1]",
        "ada@acme.com",
        "https://acme.com",
        "acme.com/jobs",
        "acme..com",
        "-acme.com",
        "*.acme.com",
        "acme.com\n_evil.example.com",
        "a." * 120 + "com",
    ],
)
@pytest.mark.parametrize("method", VerificationMethod)
def test_what_belongs_to_nobody_or_is_no_domain_is_refused(text: str, method: VerificationMethod) -> None:
    with pytest.raises(DomainError) as failure:
        read_domain(text, method, KNOWN)
    assert failure.value.violations[0].field == "domain"


@pytest.mark.parametrize(
    "domain",
    ["gmail.com", "gmx.de", "outlook.com", "mailinator.com", "stanford.edu", "cs.ox.ac.uk", "unsw.edu.au"],
)
def test_an_address_that_everybody_can_have_proves_no_company(domain: str) -> None:
    with pytest.raises(DomainError):
        read_domain(domain, WORK_ADDRESS, KNOWN)


def test_the_record_has_a_name_of_its_own_and_the_text_our_prefix() -> None:
    verification = pending().verification
    assert verification is not None
    assert dns_name(verification) == "_internshipconnect.acme.com"
    assert dns_text(verification) == f"internshipconnect-verification={verification.token}"
    assert len(verification.token) >= 27


class ACompanyTriesToBeVerified(RuleBasedStateMachine):
    """Requests, checks with right and wrong evidence, moderators and time, in any order."""

    @initialize()
    def begin(self) -> None:
        self.company, self.now = COMPANY, NOW

    @rule(domain=st.sampled_from(["acme.com", "acme.org"]), method=st.sampled_from(VerificationMethod))
    def request(self, domain: str, method: VerificationMethod) -> None:
        state = self.company.state
        try:
            asked = request_verification(self.company, new_verification(domain, method, self.now), self.now)
        except DomainError:
            assert CompanyState.PENDING not in COMPANY_TRANSITIONS[state]
        else:
            assert state in (CompanyState.UNVERIFIED, CompanyState.PENDING)
            assert asked.state is CompanyState.PENDING
            self.company = asked

    @rule(is_true=st.booleans(), data=st.data())
    def check(self, is_true: bool, data: st.DataObject) -> None:
        before = self.company
        wrong = DomainEvidence(
            texts=tuple(data.draw(st.lists(st.text(max_size=60), max_size=3))), address_domain="evil.com"
        )
        evidence = proof_of(before) if is_true and before.verification else wrong
        try:
            after = check_verification(before, evidence, self.now)
        except DomainError:
            return
        assert before.state is CompanyState.PENDING
        assert (after.state is CompanyState.VERIFIED) == (evidence is not wrong)
        self.company = after

    @rule(state=st.sampled_from([state for state in CompanyState if state is not CompanyState.UNSPECIFIED]))
    def moderate(self, state: CompanyState) -> None:
        self.company = self.company.with_state(state, "maria", "", self.now)

    @rule(days=st.integers(1, 20))
    def wait(self, days: int) -> None:
        self.now += timedelta(days=days)

    @invariant()
    def a_company_moves_only_as_the_table_says(self) -> None:
        if hasattr(self, "company"):
            for judgement in self.company.judgements:
                if not judgement.moderator:
                    assert judgement.target in COMPANY_TRANSITIONS[judgement.source]

    @invariant()
    def an_untrusted_company_shows_no_proven_domain(self) -> None:
        if hasattr(self, "company") and self.company.state in (
            CompanyState.UNVERIFIED,
            CompanyState.REJECTED,
        ):
            assert self.company.verified_domain == ""


TestACompanyTriesToBeVerified = ACompanyTriesToBeVerified.TestCase
TestACompanyTriesToBeVerified.settings = settings(max_examples=100, stateful_step_count=30, deadline=None)
