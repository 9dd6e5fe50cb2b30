"""The documents of seeded people: as the services write them on a registration, in bulk and without events.

The services' own domain and mappers make them, in the order of a registration: the account, the profile or
company that its event makes, the changes of its owner, the recipient of notifications.
"""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from chassis.ids import new_id, slot_of, slot_of_key
from chassis.mongo.documents import Document, to_document
from chassis.search.gazetteer import shared_gazetteer
from devstack.seed.documents import (
    ACCOUNTS,
    COMPANIES,
    COMPANY_MEMBERS,
    COMPANY_RECIPIENTS,
    PROFILES,
    RECIPIENTS,
    STANDINGS,
    STUDENT_SEARCH,
    DocumentSet,
)
from devstack.seed.messages import company_message, profile_message
from devstack.seed.population import SeedCompany, SeedStudent
from devstack.seed.timeline import (
    PROFILE_DELAY,
    SEED_MODERATOR,
    VERIFICATION_DELAY,
    company_joined,
    student_joined,
)
from internshipconnect.events.v1 import events_pb2 as events
from services.auth.domain.accounts import (
    Account,
    AccountHolder,
    AccountKind,
    CompanyRole,
    PendingRegistration,
    open_account,
)
from services.auth.domain.addresses import normalise_address
from services.auth.domain.events import UserWasRegistered
from services.auth.mapping import event_message, founding_membership
from services.auth.repository import member_document
from services.internship.domain.moderation import CompanyStanding
from services.notification.domain.recipients import Recipient
from services.user import mapping as user_mapping
from services.user.domain import (
    Company,
    CompanyState,
    Profile,
    build_student_entry,
    new_profile,
    normalise_profile,
)

_FIRST_STORED_VERSION: Final = 1


@dataclass(frozen=True)
class SeededPerson:
    """A person's address, account and documents."""

    address: str
    user_id: str
    directory_entry: Document
    documents: DocumentSet


def student_id(student: SeedStudent, now: datetime) -> str:
    """Return the user ID of a student who is seeded at `now`."""
    return _seeded_id("usr", student.email, student_joined(now))


def seeded_student(student: SeedStudent, password_hash: str, now: datetime) -> SeededPerson:
    """Return a student with a verified account and a filled-in profile."""
    joined = student_joined(now)
    holder = AccountHolder(student.name, AccountKind.STUDENT)
    account = _verified_account(student_id(student, now), student.email, holder, password_hash, joined)
    person = _registered_person(account, joined)
    profile = _registered_profile(account, joined)
    message = user_mapping.me_message(profile)
    message.student.CopyFrom(profile_message(student).student)
    edited = normalise_profile(user_mapping.edited_profile(profile, message)).with_student_part()
    _add_profile(person.documents, edited.with_next_version(joined + PROFILE_DELAY))
    return person


def seeded_company(company: SeedCompany, password_hash: str, now: datetime) -> SeededPerson:
    """Return the owner of a verified company with a page."""
    joined = company_joined(now)
    company_id = _seeded_id("cmp", company.email, joined)
    holder = AccountHolder(company.owner, AccountKind.COMPANY, CompanyRole.OWNER, company_id, company.name)
    owner_id = _seeded_id("usr", company.email, joined)
    account = _verified_account(owner_id, company.email, holder, password_hash, joined)
    person = _registered_person(account, joined)
    _add_profile(person.documents, _registered_profile(account, joined))
    page = _verified_page(company, company_id, joined)
    standing = CompanyStanding(id=company_id).with_state(page.state, page.version)
    slot = slot_of(company_id)
    person.documents.add(COMPANIES, to_document(page, slot=slot))
    person.documents.add(STANDINGS, to_document(standing, slot=slot))
    members = {"_id": company_id, "members": [account.id], "team_versions": {account.id: 0}, "slot": slot}
    person.documents.add(COMPANY_RECIPIENTS, members)
    founding = founding_membership(_registration_event(account))
    assert founding is not None
    person.documents.add(COMPANY_MEMBERS, member_document(owner_id, founding))
    return person


def _seeded_id(prefix: str, email: str, joined: datetime) -> str:
    return new_id(prefix, at=joined, seed=f"seed:{email}".encode())


def _verified_account(
    user_id: str, email: str, holder: AccountHolder, password_hash: str, joined: datetime
) -> Account:
    registration = PendingRegistration(holder, password_hash, b"", 0, joined)
    return open_account(user_id, email, registration, joined).verified_by(registration, joined)


def _registered_person(account: Account, joined: datetime) -> SeededPerson:
    """Return the account with its directory entry and its recipient."""
    address, event = normalise_address(account.email), _registration_event(account)
    recipient = Recipient(id=account.id).with_registration(
        email=event.email, name=event.name, company_id=event.company_id, locale=event.locale
    )
    entry = {
        "_id": address,
        "user_id": account.id,
        "slot": slot_of_key(address),
        "create_time": joined,
    }
    slot, documents = slot_of(account.id), DocumentSet()
    documents.add(ACCOUNTS, to_document(account, slot=slot))
    documents.add(RECIPIENTS, to_document(replace(recipient, version=_FIRST_STORED_VERSION), slot=slot))
    return SeededPerson(address, account.id, entry, documents)


def _registration_event(account: Account) -> events.UserRegistered:
    message = event_message(UserWasRegistered(account))
    assert isinstance(message, events.UserRegistered)
    return message


def _registered_profile(account: Account, joined: datetime) -> Profile:
    """Return the profile that the event of a registration makes."""
    registered = user_mapping.registered_account(_registration_event(account))
    blank = new_profile(registered.user_id, registered.kind, registered.company_id)
    return blank.with_registration(registered).with_next_version(joined)


def _add_profile(documents: DocumentSet, profile: Profile) -> None:
    """Add the profile, and the search entry of a student whom recruiters may find."""
    slot = slot_of(profile.id)
    documents.add(PROFILES, to_document(profile, slot=slot))
    entry = build_student_entry(profile, shared_gazetteer())
    if entry is not None:
        documents.add(STUDENT_SEARCH, to_document(entry, slot=slot))


def _verified_page(company: SeedCompany, company_id: str, joined: datetime) -> Company:
    """Return the page after the registration, the owner's edit and the moderator's verification."""
    page = Company(company_id).with_registered_name(company.name).with_next_version(joined)
    message = user_mapping.company_message(page)
    message.MergeFrom(company_message(company))
    edited = user_mapping.edited_company(page, message).with_next_version(joined + PROFILE_DELAY)
    verified_at = joined + VERIFICATION_DELAY
    verified = edited.with_state(CompanyState.VERIFIED, SEED_MODERATOR.id, "", verified_at)
    return verified.with_next_version(verified_at)
