"""Sign-ins as clients meet them: a real Envoy before a real auth service with the limits that people have."""

import os
import secrets
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any

import httpx
import pytest

from devstack.services import service_environment
from ops.paths import REPO
from tests.integration.edge.conftest import EdgeHarness
from tests.ports import free_port
from tests.stack import StackHandle

LOGIN = "/api/v1/auth/login"
PASSWORD = "green kettle orbit 7"


class RealAuthHarness(EdgeHarness):
    """A gateway before an auth service of its own, which shares the stores of the stack under test."""

    async def open_auth(self) -> None:
        stack = StackHandle.under_test()
        own = {
            **service_environment(stack.topology, stack.credentials, "auth", "serve"),
            "IC_GRPC_PORT": str(free_port()),
            "IC_OPS_PORT": str(free_port()),
            "IC_FAILED_SIGN_INS_TIMES": "1",
            "IC_REGISTRY": str(self.registry),
            "PATH": os.environ["PATH"],
            "PYTHONPATH": os.pathsep.join([str(REPO), str(REPO / "gen")]),
        }
        log = (self.folder / "auth.log").open("w")
        self._closing.callback(log.close)
        process = subprocess.Popen(
            [sys.executable, "-m", "services.auth", "serve"], cwd=REPO, env=own, stdout=log, stderr=log
        )
        self._closing.callback(process.wait)
        self._closing.callback(process.kill)

    async def login(self, email: str, password: str = PASSWORD, **sent: Any) -> httpx.Response:
        """Sign in and return the response; `place` is the client's address."""
        headers = {"x-forwarded-for": sent.pop("place", None) or somewhere(), **sent.pop("headers", {})}
        body = {"email": email, "password": password, **sent}
        self.client.cookies.clear()
        return await self.client.post(LOGIN, json=body, headers=headers)

    async def somebody(self) -> str:
        """Return the address of an account."""
        email = f"{secrets.token_hex(6)}@campus.test"
        person = {"email": email, "password": PASSWORD, "name": "Ada", "kind": "ACCOUNT_KIND_STUDENT"}
        answer = await self.client.post("/api/v1/auth/register", json=person)
        assert answer.status_code == 200, answer.text
        return email


@pytest.fixture(scope="module")
async def edge(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[RealAuthHarness]:
    async with AsyncExitStack() as closing:
        edge = RealAuthHarness(tmp_path_factory.mktemp("edge"), closing)
        await edge.open(trusted_hops=1)
        yield edge


def somewhere() -> str:
    return f"198.19.{secrets.randbelow(256)}.{secrets.randbelow(256)}"


def reason_of(answer: httpx.Response) -> str:
    [reason] = [detail["reason"] for detail in answer.json()["details"] if "reason" in detail]
    return str(reason)


async def test_the_sixth_wrong_password_gets_a_retry_time_and_other_clients_change_nothing_for_the_owner(
    edge: RealAuthHarness,
) -> None:
    email, thief = await edge.somebody(), somewhere()
    welcome = await edge.login(email)
    assert welcome.headers["x-ratelimit-remaining"] == "5"
    token, cookie = welcome.json()["data"]["deviceToken"], welcome.headers["set-cookie"]
    assert cookie.startswith("ic_device_") and "HttpOnly" in cookie and "SameSite=Lax" in cookie

    answers = [await edge.login(email, "wrong", place=thief) for _ in range(6)]
    assert [answer.status_code for answer in answers] == [401] * 5 + [429]
    assert [answer.headers["x-ratelimit-remaining"] for answer in answers] == ["4", "3", "2", "1", "0", "0"]
    refused = answers[-1]
    assert reason_of(refused) == "RATE_LIMITED"
    assert refused.headers["ratelimit-policy"] == '"LOGIN";q=5;w=900'
    assert 800 < int(refused.headers["retry-after"]) <= 900

    assert (await edge.login(email, place=thief)).status_code == 429
    assert (await edge.login(email, deviceToken=token, place=thief)).status_code == 200
    jar = {"cookie": f"theme=dark; {cookie.partition(';')[0]}"}
    assert (await edge.login(email, headers=jar)).status_code == 200
    made_up = {"cookie": "ic_device_0=AAAA", "x-ic-client": "192.0.2.77"}
    assert (await edge.login(email, place=thief, headers=made_up)).status_code == 429


async def test_an_unknown_address_is_answered_as_a_known_one(edge: RealAuthHarness) -> None:
    known, unknown = await edge.somebody(), f"{secrets.token_hex(6)}@campus.test"
    seen = []
    for email in (known, unknown):
        place = somewhere()
        answers = [await edge.login(email, "wrong", place=place) for _ in range(6)]
        seen.append(
            [(each.status_code, reason_of(each), each.headers["x-ratelimit-remaining"]) for each in answers]
        )
        assert not any("set-cookie" in answer.headers for answer in answers)
    assert seen[0] == seen[1]


async def test_a_refresh_whose_answer_was_lost_is_answered_again_on_the_same_client_alone(
    edge: RealAuthHarness,
) -> None:
    tokens = (await edge.login(await edge.somebody())).json()["data"]["tokens"]
    laptop = {"x-forwarded-for": somewhere(), "user-agent": "Firefox"}

    async def refresh(token: str, **headers: str) -> httpx.Response:
        return await edge.client.post(
            "/api/v1/auth/refresh", json={"refreshToken": token}, headers=laptop | headers
        )

    first, again = [(await refresh(tokens["refreshToken"])).json()["data"] for _ in range(2)]
    assert again["tokens"]["refreshToken"] == first["tokens"]["refreshToken"]
    assert "deviceToken" not in first
    stolen = await refresh(tokens["refreshToken"], **{"user-agent": "curl"})
    assert (stolen.status_code, reason_of(stolen)) == (401, "INVALID_REFRESH_TOKEN")
    assert (await refresh(first["tokens"]["refreshToken"])).status_code == 401
