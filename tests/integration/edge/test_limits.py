"""Limits as clients meet them: a real Envoy, a real limiter with the default limits, a real Redis Cluster."""

import secrets
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from chassis.ids import new_id
from internshipconnect.auth.v1 import auth_pb2
from internshipconnect.internship.v1 import internship_pb2 as pb
from tests.fakes.tokens import access_token
from tests.integration.edge.conftest import Edge
from tests.integration.ratelimit.process import PATIENT, Launcher, Service
from tests.stack import Stack

SEARCH = "/api/v1/internships"
LOGIN = "/api/v1/auth/login"


@pytest.fixture
def limiter(tmp_path: Path) -> Iterator[Service]:
    launcher = Launcher(Stack.under_test(), tmp_path)
    service = launcher(**PATIENT)
    service.await_ready()
    yield service
    launcher.end_all()


@pytest.fixture
async def limited(edge: Edge, limiter: Service) -> Edge:
    await edge.open(rate_limits=limiter.address, trusted_hops=1)
    edge.internships.answers["ListInternships"] = pb.ListInternshipsResponse(
        next_page_token="a"
    ).SerializeToString()
    edge.auth.answers["Login"] = auth_pb2.SessionResponse().SerializeToString()
    return edge


def somewhere() -> dict[str, str]:
    """A client at an address that no other test has."""
    return {"x-forwarded-for": f"198.19.{secrets.randbelow(256)}.{secrets.randbelow(256)}"}


def somebody(**claims: str) -> dict[str, str]:
    return {"authorization": f"Bearer {access_token(new_id('usr'), **claims)}"}


def reason_of(answer: httpx.Response) -> str:
    [reason] = [detail["reason"] for detail in answer.json()["details"] if "reason" in detail]
    return str(reason)


async def search(edge: Edge, who: dict[str, str]) -> httpx.Response:
    """A search that nobody has made before, so that no cache answers it."""
    return await edge.client.get(SEARCH, params={"q": secrets.token_hex(8)}, headers=who)


async def test_the_eleventh_search_in_a_minute_is_told_when_to_come_again(limited: Edge) -> None:
    who = somebody(plan="FREE")
    answers = [await search(limited, who) for _ in range(11)]
    assert [answer.status_code for answer in answers] == [200] * 10 + [429]
    remaining = [int(answer.headers["x-ratelimit-remaining"]) for answer in answers]
    assert remaining == [*range(9, -1, -1), 0]
    refused = answers[-1]
    assert reason_of(refused) == "RATE_LIMITED"
    assert 1 <= int(refused.headers["retry-after"]) <= 60
    [delay] = [detail["retryDelay"] for detail in refused.json()["details"] if "retryDelay" in detail]
    assert delay == f"{refused.headers['retry-after']}s"
    assert refused.headers["x-ratelimit-limit"] == "10"
    assert refused.headers["ratelimit-policy"] == '"SEARCH";q=10;w=60'
    assert refused.headers["ratelimit"].startswith('"SEARCH";r=0;t=')


async def test_a_better_plan_gets_more(limited: Edge) -> None:
    who = somebody(plan="PREMIUM")
    answers = [await search(limited, who) for _ in range(15)]
    assert {answer.status_code for answer in answers} == {200}
    assert answers[-1].headers["x-ratelimit-remaining"] == "85"


async def test_clients_without_a_token_are_told_apart_by_their_address(limited: Edge) -> None:
    here, there = somewhere(), somewhere()
    answers = [await search(limited, here) for _ in range(11)]
    assert [answer.status_code for answer in answers] == [200] * 10 + [429]
    assert (await search(limited, there)).status_code == 200


async def test_an_address_that_a_client_makes_up_does_not_count(limited: Edge) -> None:
    made_up = [somewhere()["x-forwarded-for"] for _ in range(11)]
    here = somewhere()["x-forwarded-for"]
    answers = [
        await search(limited, {"x-forwarded-for": f"{other}, {here}", "x-ic-address": other})
        for other in made_up
    ]
    assert answers[-1].status_code == 429


async def test_an_answer_that_all_may_share_tells_nobodys_limit_and_a_kept_one_is_not_counted(
    limited: Edge,
) -> None:
    here, query = somewhere(), {"q": secrets.token_hex(8)}
    answers = [await limited.client.get(SEARCH, params=query, headers=here) for _ in range(20)]
    assert {answer.status_code for answer in answers} == {200}
    assert [answer.headers["x-cache"] for answer in answers] == ["MISS"] + ["HIT"] * 19
    assert not any("x-ratelimit-remaining" in answer.headers for answer in answers)


async def test_attempts_at_one_account_are_counted_wherever_they_come_from(limited: Edge) -> None:
    email = f"{secrets.token_hex(6)}@example.org"
    spellings = [email, email.upper(), f" {email}", email, f"{email} ", email]
    answers = [
        await limited.client.post(LOGIN, json={"email": each, "password": "a"}, headers=somewhere())
        for each in spellings
    ]
    assert [answer.status_code for answer in answers] == [200] * 5 + [429]
    assert reason_of(answers[-1]) == "RATE_LIMITED"
    assert answers[-1].headers["ratelimit-policy"] == '"LOGIN";q=5;w=900'


async def test_attempts_at_one_account_are_counted_in_whatever_spelling_of_an_international_domain(
    limited: Edge,
) -> None:
    local = secrets.token_hex(6)
    domains = ["münchen.de", "xn--mnchen-3ya.de", "MÜNCHEN.DE", "mu\u0308nchen.de", "XN--MNCHEN-3YA.de"]
    spellings = [f"{local}@{domain}" for domain in domains] + [f"\u200b{local}@münchen.de\u00a0"]
    answers = [
        await limited.client.post(LOGIN, json={"email": each, "password": "a"}, headers=somewhere())
        for each in spellings
    ]
    left = [answer.headers.get("x-ratelimit-remaining") for answer in answers]
    assert left == ["4", "3", "2", "1", "0", "0"]
    assert answers[-1].status_code == 429


async def test_attempts_from_one_address_are_counted_whichever_account_they_are_at(limited: Edge) -> None:
    here = somewhere()
    answers = [
        await limited.client.post(
            LOGIN, json={"email": f"{secrets.token_hex(6)}@example.org", "password": "a"}, headers=here
        )
        for _ in range(6)
    ]
    assert [answer.status_code for answer in answers] == [200] * 5 + [429]


async def test_everybody_passes_while_the_limiter_is_down(limited: Edge, limiter: Service) -> None:
    who = somebody(plan="FREE")
    limiter.end()
    answers = [await search(limited, who) for _ in range(15)]
    assert {answer.status_code for answer in answers} == {200}
