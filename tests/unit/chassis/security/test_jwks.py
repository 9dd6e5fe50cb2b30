import asyncio
from pathlib import Path

import orjson
import pytest
from cryptography.hazmat.primitives.asymmetric.ec import (
    SECP256R1,
    SECP384R1,
    EllipticCurvePublicKey,
    generate_private_key,
)
from jwt.algorithms import ECAlgorithm

from chassis.errors import DomainError, unavailable
from chassis.security.jwks import (
    KEYS_TTL_S,
    MIN_FETCH_INTERVAL_S,
    FetchedKeySource,
    PublicKeys,
    StaticKeySource,
    parse_public_keys,
)

KEY: EllipticCurvePublicKey = generate_private_key(SECP256R1()).public_key()


class FakeKeyPublisher:
    """Publishes keys, counts how often it is asked, and can be out of order."""

    def __init__(self, *kids: str) -> None:
        self.keys: PublicKeys = dict.fromkeys(kids, KEY)
        self.asked = 0
        self.is_down = False
        self.now_s = 0.0

    async def fetch(self) -> PublicKeys:
        self.asked += 1
        await asyncio.sleep(0)
        if self.is_down:
            raise unavailable("The publisher")
        return self.keys

    def source(self) -> FetchedKeySource:
        return FetchedKeySource(self.fetch, lambda: self.now_s)


async def test_many_who_need_a_key_wait_for_one_fetch() -> None:
    publisher = FakeKeyPublisher("a")
    source = publisher.source()
    assert await asyncio.gather(*(source.find_key("a") for _ in range(20))) == [KEY] * 20
    assert publisher.asked == 1


async def test_a_new_key_is_found_when_it_is_first_used() -> None:
    publisher = FakeKeyPublisher("a")
    source = publisher.source()
    await source.find_key("a")
    publisher.keys, publisher.now_s = {"a": KEY, "b": KEY}, MIN_FETCH_INTERVAL_S + 1
    assert await source.find_key("b") is KEY


async def test_made_up_key_ids_do_not_turn_into_load() -> None:
    publisher = FakeKeyPublisher("a")
    source = publisher.source()
    for number in range(100):
        assert await source.find_key(f"made-up-{number}") is None
    assert publisher.asked == 1


async def test_a_withdrawn_key_is_forgotten_after_some_minutes() -> None:
    publisher = FakeKeyPublisher("a", "b")
    source = publisher.source()
    await source.find_key("a")
    publisher.keys, publisher.now_s = {"b": KEY}, KEYS_TTL_S + 1
    assert await source.find_key("a") is None


async def test_the_keys_that_are_known_go_on_counting_while_the_publisher_is_down() -> None:
    publisher = FakeKeyPublisher("a")
    source = publisher.source()
    await source.find_key("a")
    publisher.is_down, publisher.now_s = True, KEYS_TTL_S + 1
    assert await source.find_key("a") is KEY


async def test_without_any_key_no_token_can_be_verified() -> None:
    publisher = FakeKeyPublisher("a")
    publisher.is_down = True
    with pytest.raises(DomainError) as caught:
        await publisher.source().find_key("a")
    assert caught.value.reason == "UNAVAILABLE"


async def test_a_file_of_keys_is_read(tmp_path: Path) -> None:
    path = tmp_path / "jwks.json"
    path.write_bytes(orjson.dumps({"keys": [ECAlgorithm.to_jwk(KEY, as_dict=True) | {"kid": "svc-a"}]}))
    found = await StaticKeySource.from_file(path).find_key("svc-a")
    assert found is not None
    assert found.public_numbers() == KEY.public_numbers()


@pytest.mark.parametrize(
    "jwk",
    [
        {},
        {"kty": "oct", "k": "AAAA", "kid": "a"},
        ECAlgorithm.to_jwk(KEY, as_dict=True),
        ECAlgorithm.to_jwk(generate_private_key(SECP384R1()).public_key(), as_dict=True) | {"kid": "a"},
        ECAlgorithm.to_jwk(generate_private_key(SECP256R1()), as_dict=True) | {"kid": "a"},
    ],
    ids=["empty", "symmetric", "no id", "another curve", "private"],
)
def test_a_key_that_is_no_public_p_256_key_with_an_id_is_refused(jwk: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="key"):
        parse_public_keys([jwk])
