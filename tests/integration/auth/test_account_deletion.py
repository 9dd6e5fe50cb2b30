"""The deletion of accounts on the stack's stores: asked for, cancelled, carried out, and broken off."""

from datetime import timedelta
from typing import Any

import pytest

from chassis.errors import DomainError
from chassis.sharding.erased_people import ERASED_PEOPLE_COLLECTION, ErasedPeople, tombstone_key
from internshipconnect.events.v1.events_pb2 import (
    AccountDeletionCancelled,
    AccountDeletionRequested,
    AccountErasureRequested,
)
from services.auth.domain.accounts import AccountState
from services.auth.domain.deletions import DEFAULT_GRACE, ERASING_SERVICES, ERASURE_RETRY_PAUSE
from services.auth.domain.sign_in_result import SignInResult
from services.auth.repository import COLLECTIONS
from services.auth.repository.erasures import AccountErasureRepository
from tests.databases import read_outbox
from tests.integration.auth.conftest import PASSWORD, AuthHarness

EMAIL = "leaving-marker@campus.test"
_SHARED = frozenset({"signing_keys", "sealed_keys", ERASED_PEOPLE_COLLECTION.name})


async def session_of(auth: AuthHarness, user_id: str) -> str:
    [session] = await auth.sessions.list_live_sessions(user_id, auth.clock.now(), 10)
    return session.id


async def leaving(auth: AuthHarness) -> str:
    """Return a person whose deletion is asked for."""
    person: SignInResult = await auth.verified(EMAIL)
    await auth.cases.deletions.begin(person.account.id, await session_of(auth, person.account.id))
    return person.account.id


async def erasing(auth: AuthHarness) -> str:
    """Return a person whose erasure runs."""
    user_id = await leaving(auth)
    auth.clock.advance(DEFAULT_GRACE)
    await auth.cases.deletions.settle_due()
    return user_id


async def acknowledge_all(auth: AuthHarness, user_id: str) -> None:
    for service in sorted(ERASING_SERVICES):
        await auth.cases.deletions.acknowledge(user_id, service)


async def documents_that_name(auth: AuthHarness, *markers: str) -> list[tuple[str, Any]]:
    """Return the documents, but those of shared keys and tombstones, in which one of the markers is."""
    found = []
    for shard in auth.shards.all_shards():
        for spec in COLLECTIONS:
            if spec.name in _SHARED:
                continue
            documents = await shard.unscoped[spec.name].find({}).to_list()
            found += [(spec.name, each) for each in documents if any(mark in str(each) for mark in markers)]
    return found


async def test_the_other_sessions_end_and_the_owner_can_still_sign_in(auth: AuthHarness) -> None:
    person = await auth.verified(EMAIL)
    user_id, kept = person.account.id, await session_of(auth, person.account.id)
    await auth.sign_in.login(EMAIL, PASSWORD)
    deletion = await auth.cases.deletions.begin(user_id, kept)
    assert deletion.erase_time == auth.clock.now() + DEFAULT_GRACE
    assert await session_of(auth, user_id) == kept
    again = await auth.sign_in.login(EMAIL, PASSWORD)
    assert again.account.state is AccountState.PENDING_DELETION
    assert await auth.cases.deletions.begin(user_id, kept) == deletion
    [asked] = await read_outbox(auth.shards, AccountDeletionRequested, user_id)
    assert asked.email == EMAIL


async def test_a_cancelled_deletion_is_never_carried_out(auth: AuthHarness) -> None:
    user_id = await leaving(auth)
    await auth.cases.deletions.cancel(user_id)
    auth.clock.advance(DEFAULT_GRACE * 2)
    await auth.cases.deletions.settle_due()
    assert (await auth.accounts.get_or_raise(user_id)).state is AccountState.ACTIVE
    assert await read_outbox(auth.shards, AccountErasureRequested, user_id) == []
    assert len(await read_outbox(auth.shards, AccountDeletionCancelled, user_id)) == 1
    with pytest.raises(DomainError, match="deletion"):
        await auth.cases.deletions.get(user_id)


async def test_after_the_time_of_grace_nobody_signs_in_and_nothing_is_cancelled(auth: AuthHarness) -> None:
    user_id = await erasing(auth)
    with pytest.raises(DomainError) as refused:
        await auth.sign_in.login(EMAIL, PASSWORD)
    assert refused.value.reason == "INVALID_CREDENTIALS"
    with pytest.raises(DomainError) as late:
        await auth.cases.deletions.cancel(user_id)
    assert late.value.reason == "NO_ACCOUNT_DELETION"
    assert await auth.sessions.list_live_sessions(user_id, auth.clock.now(), 10) == []


async def test_what_is_not_acknowledged_is_requested_again(auth: AuthHarness) -> None:
    user_id = await erasing(auth)
    await auth.cases.deletions.acknowledge(user_id, "user")
    await auth.cases.deletions.settle_due()
    assert len(await read_outbox(auth.shards, AccountErasureRequested, user_id)) == 1
    auth.clock.advance(ERASURE_RETRY_PAUSE)
    await auth.cases.deletions.settle_due()
    assert len(await read_outbox(auth.shards, AccountErasureRequested, user_id)) == 2
    assert await auth.accounts.get(user_id) is not None


async def test_once_all_have_acknowledged_only_a_tombstone_is_left(auth: AuthHarness) -> None:
    user_id = await erasing(auth)
    await acknowledge_all(auth, user_id)
    await auth.cases.deletions.settle_due()
    assert await documents_that_name(auth, user_id, EMAIL) == []
    tombstones = auth.shards.shard_for(user_id).db[ERASED_PEOPLE_COLLECTION.name]
    tombstone = await tombstones.find_one({"_id": tombstone_key(user_id)}, hint="_id_")
    assert tombstone is not None and tombstone["security_events"] > 0
    assert user_id not in str(tombstone)
    assert await ErasedPeople(auth.shards).find_erased([user_id]) == {user_id}
    # The address is free for another account.
    assert await auth.register(EMAIL) != user_id


async def test_a_removal_that_breaks_off_goes_on(auth: AuthHarness, monkeypatch: pytest.MonkeyPatch) -> None:
    user_id = await erasing(auth)
    await acknowledge_all(auth, user_id)

    async def fail(*_: object) -> None:
        raise ConnectionError("killed here")

    with monkeypatch.context() as patched:
        patched.setattr(AccountErasureRepository, "_remove_last", fail)
        await auth.cases.deletions.settle_due()
    assert await auth.accounts.get(user_id) is not None
    await auth.cases.deletions.settle_due()
    assert await documents_that_name(auth, user_id, EMAIL) == []


async def test_an_acknowledgement_that_comes_late_revives_nobody(auth: AuthHarness) -> None:
    user_id = await erasing(auth)
    await acknowledge_all(auth, user_id)
    await auth.cases.deletions.settle_due()
    auth.clock.advance(timedelta(hours=1))
    await acknowledge_all(auth, user_id)
    await auth.cases.deletions.settle_due()
    assert await documents_that_name(auth, user_id, EMAIL) == []
