"""People who use the running stack over HTTP."""

import secrets
from collections.abc import Callable

import pytest

from devstack.journey.client import ApiUser
from devstack.journey.main_journey import JOURNEY_PASSWORD, Journey, JourneyUsers
from ops.moderation import ModerationClient
from tests.stack import StackHandle

NewPerson = Callable[..., ApiUser]


@pytest.fixture(scope="session")
def stack() -> StackHandle:
    """Return the stack under test."""
    return StackHandle.under_test()


@pytest.fixture(scope="session")
def visitor(stack: StackHandle) -> ApiUser:
    """Return a user who is not signed in."""
    return ApiUser(stack.gateway_url, stack.mailbox_url, "visitor@example.com")


@pytest.fixture(scope="session")
def new_person(stack: StackHandle) -> NewPerson:
    """Open and verify an account: `new_person()` a student, `new_person(company="...")` an owner.

    The company is verified too, unless it is `trusted` by nobody yet.
    """

    def make(*, company: str = "", verified: bool = True, trusted: bool = True) -> ApiUser:
        email = f"person.{secrets.token_hex(6)}@example.com"
        person = ApiUser(stack.gateway_url, stack.mailbox_url, email)
        person.register(password=JOURNEY_PASSWORD, name="Robin Doe", company=company)
        if verified:
            person.verify()
        else:
            person.log_in(JOURNEY_PASSWORD)
        if company and trusted:
            ModerationClient(stack.cluster).verify_company(person.user["companyId"])
        return person

    return make


@pytest.fixture(scope="session")
def walked(stack: StackHandle) -> tuple[JourneyUsers, Journey]:
    """Walk the main journey once, from its beginning to its end."""
    moderator = ModerationClient(stack.cluster)
    cast = JourneyUsers.create(stack.gateway_url, stack.mailbox_url, moderator, lambda _: None)
    journey = Journey(cast)
    for _, step in journey.steps():
        step()
    return cast, journey


@pytest.fixture(scope="session")
def student(new_person: NewPerson) -> ApiUser:
    """Return a verified student."""
    return new_person()


@pytest.fixture(scope="session")
def owner(new_person: NewPerson) -> ApiUser:
    """Return a verified owner of a company."""
    return new_person(company="Harbour Works")
