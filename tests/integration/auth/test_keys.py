import asyncio
from datetime import timedelta

import jwt
import pytest
from cryptography.exceptions import InvalidTag
from jwt.types import Options

from chassis.clock import FixedClock
from chassis.security.data_keys import DataKeys
from chassis.sharding.shards import Shards
from services.auth.domain.keys import SigningKey
from services.auth.key_store import KeyStore
from services.auth.keyring import KeyRing
from services.auth.repository import SigningKeyRepository
from tests.integration.auth.conftest import ISSUER, PASSWORD, ROTATION, AuthHarness

DATA_KEY = bytes(32)


def process(shards: Shards, clock: FixedClock) -> KeyRing:
    """Return the key ring of another process."""
    return KeyRing(SigningKeyRepository(shards), KeyStore(DataKeys(DATA_KEY)), clock, ROTATION)


async def kids(ring: KeyRing) -> list[str]:
    return [key.kid for key in await ring.published_keys()]


async def test_processes_that_start_at_once_agree_on_one_key(shards: Shards, clock: FixedClock) -> None:
    signers = await asyncio.gather(*(process(shards, clock).current_signer() for _ in range(8)))
    assert len({signer.kid for signer in signers}) == 1
    assert len(await SigningKeyRepository(shards).list_keys()) == 1


async def test_two_processes_rotate_to_the_same_key_which_was_published_before(
    shards: Shards, clock: FixedClock
) -> None:
    one, other = process(shards, clock), process(shards, clock)
    first = (await one.current_signer()).kid
    assert (await other.current_signer()).kid == first

    clock.advance(ROTATION - timedelta(days=1))
    await asyncio.gather(one.rotate_keys(), other.rotate_keys())
    clock.advance(timedelta(minutes=1))
    published = await kids(other)
    assert published[0] == first
    assert len(published) == 2
    assert (await one.current_signer()).kid == first

    clock.advance(timedelta(days=1))
    assert {(await one.current_signer()).kid, (await other.current_signer()).kid} == {published[1]}
    assert await kids(one) == published

    clock.advance(timedelta(minutes=20))
    await other.rotate_keys()
    assert await kids(one) == await kids(other) == [published[1]]


async def test_another_process_learns_of_a_key_within_a_minute(shards: Shards, clock: FixedClock) -> None:
    one, other = process(shards, clock), process(shards, clock)
    await asyncio.gather(one.current_signer(), other.current_signer())
    clock.advance(ROTATION - timedelta(days=1))
    assert len(await kids(other)) == 1
    await one.rotate_keys()
    clock.advance(timedelta(minutes=1))
    assert len(await kids(other)) == 2


async def test_a_token_verifies_with_the_published_key(auth: AuthHarness) -> None:
    token = (await auth.verified("ada@campus.test", PASSWORD)).access_token
    [key] = await auth.keys.published_keys()
    public = jwt.PyJWK({"kty": "EC", "crv": "P-256", "x": key.x, "y": key.y})
    options: Options = {"verify_exp": False, "verify_iat": False}
    claims = jwt.decode(token, public, algorithms=["ES256"], audience="internshipconnect", options=options)
    assert claims["iss"] == ISSUER
    assert jwt.get_unverified_header(token)["kid"] == key.kid


async def test_a_private_key_opens_only_with_its_data_key(shards: Shards, clock: FixedClock) -> None:
    await process(shards, clock).current_signer()
    [key] = await SigningKeyRepository(shards).list_keys()
    assert isinstance(key, SigningKey)
    with pytest.raises(InvalidTag):
        KeyStore(DataKeys(bytes([1]) * 32)).private_key(key)
