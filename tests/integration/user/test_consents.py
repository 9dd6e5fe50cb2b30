import asyncio
from typing import Any, cast

import pytest

from chassis.call_context import Principal, acting_as
from chassis.clock import FixedClock
from chassis.errors import DomainError
from chassis.page_tokens import PageTokens
from chassis.sharding.shards import Shards
from internshipconnect.user.v1 import consents_pb2 as pb
from services.user.consent_api import ConsentServicer
from services.user.repository import ConsentRepository
from services.user.service.manage_consents import ManageConsents
from tests.integration.user.conftest import a_student
from tests.targeting import TargetedQueryGuard

NOTHING = cast(Any, None)
MARKETING, TALENT_POOL = pb.CONSENT_PURPOSE_MARKETING, pb.CONSENT_PURPOSE_TALENT_POOL
SETTINGS = pb.CONSENT_SOURCE_SETTINGS


@pytest.fixture
def api(shards: Shards, clock: FixedClock) -> ConsentServicer:
    return ConsentServicer(ManageConsents(ConsentRepository(shards, clock)), PageTokens(bytes(32)))


async def give(api: ConsentServicer, person: Principal, version: int = 1) -> pb.Consent:
    request = pb.GiveConsentRequest(purpose=MARKETING, text_version=version, source=SETTINGS)
    with acting_as(person):
        return await api.GiveConsent(request, NOTHING)


async def withdraw(api: ConsentServicer, person: Principal) -> pb.Consent:
    request = pb.WithdrawConsentRequest(purpose=MARKETING, source=SETTINGS)
    with acting_as(person):
        return await api.WithdrawConsent(request, NOTHING)


async def given(api: ConsentServicer, person: Principal) -> dict[int, bool]:
    with acting_as(person):
        found = await api.ListConsents(pb.ListConsentsRequest(), NOTHING)
    return {each.purpose: each.given for each in found.data}


async def entries(api: ConsentServicer, person: Principal, page_size: int = 0) -> list[pb.ConsentEntry]:
    found: list[pb.ConsentEntry] = []
    request = pb.ListConsentEntriesRequest(purpose=MARKETING, page_size=page_size)
    with acting_as(person):
        while True:
            page = await api.ListConsentEntries(request, NOTHING)
            found += page.data
            if not page.next_page_token:
                return found
            request.page_token = page.next_page_token


async def test_what_was_said_stays_in_the_ledger(api: ConsentServicer, clock: FixedClock) -> None:
    person = a_student()
    assert await given(api, person) == {MARKETING: False, TALENT_POOL: False}
    assert (await give(api, person)).last_entry.text_version == 1
    assert await given(api, person) == {MARKETING: True, TALENT_POOL: False}
    await withdraw(api, person)
    await give(api, person)
    listed = await entries(api, person, page_size=2)
    assert [(each.given, each.source) for each in listed] == [
        (True, SETTINGS),
        (False, SETTINGS),
        (True, SETTINGS),
    ]
    assert len({each.id for each in listed}) == 3
    assert await entries(api, a_student()) == []


async def test_a_repeat_adds_nothing(api: ConsentServicer) -> None:
    person = a_student()
    first, again = await give(api, person), await give(api, person)
    assert first.last_entry.id == again.last_entry.id
    await withdraw(api, person)
    await withdraw(api, person)
    assert len(await entries(api, person)) == 2


async def test_twenty_consents_at_once_add_one_entry(api: ConsentServicer) -> None:
    person = a_student()
    await asyncio.gather(*(give(api, person) for _ in range(20)))
    assert len(await entries(api, person)) == 1


async def test_an_unknown_version_is_refused_and_adds_nothing(api: ConsentServicer) -> None:
    person = a_student()
    with pytest.raises(DomainError) as refused:
        await give(api, person, version=2)
    assert refused.value.reason == "CONSENT_TEXT_OUTDATED"
    assert await entries(api, person) == []


async def test_consents_are_on_their_persons_shard(api: ConsentServicer, guard: TargetedQueryGuard) -> None:
    person = a_student()
    with guard.operation("consent"):
        await give(api, person)
        await given(api, person)
        await entries(api, person)
    guard.check()
