"""People who use the running stack over HTTP."""

import secrets
from collections.abc import Callable

import pytest

from ops.journey.client import Person
from ops.journey.story import PASSWORD, Cast, Journey
from ops.moderation import Moderators
from tests.stack import Stack

NewPerson = Callable[..., Person]


@pytest.fixture(scope="session")
def stack() -> Stack:
    """The stack under test."""
    return Stack.under_test()


@pytest.fixture(scope="session")
def stranger(stack: Stack) -> Person:
    """Somebody who is not signed in."""
    return Person(stack.gateway_url, stack.mailbox_url, "stranger@example.com")


@pytest.fixture(scope="session")
def new_person(stack: Stack) -> NewPerson:
    """Opens and verifies an account: `new_person()` a student, `new_person(company="...")` an owner.

    The company is verified too, unless it is `trusted` by nobody yet.
    """

    def make(*, company: str = "", verified: bool = True, trusted: bool = True) -> Person:
        email = f"person.{secrets.token_hex(6)}@example.com"
        person = Person(stack.gateway_url, stack.mailbox_url, email)
        person.register(password=PASSWORD, name="Robin Doe", company=company)
        if verified:
            person.verify()
        else:
            person.log_in(PASSWORD)
        if company and trusted:
            Moderators(stack.topology).verify(person.user["companyId"])
        return person

    return make


@pytest.fixture(scope="session")
def walked(stack: Stack) -> tuple[Cast, Journey]:
    """The main journey, walked once from its beginning to its end."""
    moderator = Moderators(stack.topology)
    cast = Cast.assemble(stack.gateway_url, stack.mailbox_url, moderator, lambda _: None)
    journey = Journey(cast)
    for _, step in journey.steps():
        step()
    return cast, journey


@pytest.fixture(scope="session")
def student(new_person: NewPerson) -> Person:
    """A verified student."""
    return new_person()


@pytest.fixture(scope="session")
def owner(new_person: NewPerson) -> Person:
    """A verified owner of a company."""
    return new_person(company="Harbour Works")
