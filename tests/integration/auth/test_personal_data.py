"""What a person's own copy holds of their account."""

from collections import defaultdict
from typing import Any

import orjson

from chassis.personal_data import iterate_personal_data
from tests.integration.auth.conftest import PASSWORD, AuthHarness


async def listed(auth: AuthHarness, user_id: str) -> dict[str, list[dict[str, Any]]]:
    found = defaultdict(list)
    async for record in iterate_personal_data(auth.cases.personal_data, user_id):
        found[record.collection].append(orjson.loads(record.json))
    return found


async def test_account_sessions_and_security_events_are_listed_without_secrets(auth: AuthHarness) -> None:
    signed_in = await auth.verified("ada@campus.test")
    await auth.verified("eve@campus.test")
    user_id = signed_in.account.id
    found = await listed(auth, user_id)
    [account] = found["account"]
    assert (account["id"], account["email"]) == (user_id, "ada@campus.test")
    assert len(found["sessions"]) == 1
    assert {"SIGNED_IN", "ADDRESS_VERIFIED"} <= {each["verb"] for each in found["security-events"]}
    text = orjson.dumps(found).decode()
    stored = await auth.accounts.get_or_raise(user_id)
    for secret in (PASSWORD, stored.password_hash, "tokenDigest", "eve@campus.test"):
        assert secret not in text


async def test_all_sessions_are_listed_however_many_pages_they_take(auth: AuthHarness) -> None:
    signed_in = await auth.verified("ada@campus.test")
    for _ in range(22):
        await auth.sign_in.login("ada@campus.test", PASSWORD)
    found = await listed(auth, signed_in.account.id)
    assert len({each["id"] for each in found["sessions"]}) == len(found["sessions"]) == 23
    numbers = [each["number"] for each in found["security-events"]]
    assert numbers == list(range(len(numbers), 0, -1))


async def test_of_an_unknown_person_there_is_nothing(auth: AuthHarness) -> None:
    assert await listed(auth, "usr_01JD0000000000000000000000") == {}
