"""Limits as clients meet them: a real Envoy, a real limiter with the default limits, a real Redis Cluster."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import httpx
import pytest

from chassis.ids import new_id
from internshipconnect.auth.v1 import auth_pb2
from internshipconnect.internship.v1 import internship_pb2 as pb
from tests.fakes.tokens import access_token
from tests.integration.edge.conftest import EdgeHarness, read_head
from tests.integration.ratelimit.process import SLOW_REDIS_SETTINGS, LaunchedRateLimiter, RateLimiterLauncher
from tests.stack import StackHandle

SEARCH = "/api/v1/internships"
LOGIN = "/api/v1/auth/login"
REGISTER = "/api/v1/auth/register"


@pytest.fixture(scope="module")
def launcher(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RateLimiterLauncher]:
    launcher = RateLimiterLauncher(StackHandle.under_test(), tmp_path_factory.mktemp("limiter"))
    yield launcher
    launcher.end_all()


@asynccontextmanager
async def opened(folder: Path, limiter: LaunchedRateLimiter) -> AsyncIterator[EdgeHarness]:
    limiter.await_ready()
    async with AsyncExitStack() as closing:
        edge = EdgeHarness(folder, closing)
        await edge.open(rate_limits=limiter.address, trusted_hops=1)
        found = pb.ListInternshipsResponse(next_page_token="a")
        edge.internships.answers["ListInternships"] = found.SerializeToString()
        edge.auth.answers["Login"] = auth_pb2.SessionResponse().SerializeToString()
        edge.auth.answers["VerifyEmail"] = auth_pb2.SessionResponse().SerializeToString()
        edge.auth.answers["Register"] = auth_pb2.RegisterResponse().SerializeToString()
        yield edge


@pytest.fixture(scope="module")
async def limited(
    launcher: RateLimiterLauncher, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[EdgeHarness]:
    """Yield one gateway for all tests, each of which has its own addresses and users."""
    async with opened(tmp_path_factory.mktemp("edge"), launcher(**SLOW_REDIS_SETTINGS)) as edge:
        yield edge


def somewhere() -> dict[str, str]:
    """Return a client at an address that no other test has."""
    return {"x-forwarded-for": f"198.19.{secrets.randbelow(256)}.{secrets.randbelow(256)}"}


def somebody(**claims: str) -> dict[str, str]:
    return {"authorization": f"Bearer {access_token(new_id('usr'), **claims)}"}


def reason_of(answer: httpx.Response) -> str:
    [reason] = [detail["reason"] for detail in answer.json()["details"] if "reason" in detail]
    return str(reason)


async def search(edge: EdgeHarness, who: dict[str, str]) -> httpx.Response:
    """Return a search that nobody has made before, so that no cache answers it."""
    return await edge.client.get(SEARCH, params={"q": secrets.token_hex(8)}, headers=who)


async def test_the_eleventh_search_in_a_minute_gets_a_retry_time(limited: EdgeHarness) -> None:
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


async def test_a_head_beyond_the_limit_is_refused_without_a_body(limited: EdgeHarness) -> None:
    who = somewhere()
    found = [
        await asyncio.to_thread(read_head, limited.listen, f"{SEARCH}?q={secrets.token_hex(8)}", who)
        for _ in range(11)
    ]
    assert found == [(200, b"")] * 10 + [(429, b"")]


async def test_a_better_plan_gets_more(limited: EdgeHarness) -> None:
    who = somebody(plan="PREMIUM")
    answers = [await search(limited, who) for _ in range(15)]
    assert {answer.status_code for answer in answers} == {200}
    assert answers[-1].headers["x-ratelimit-remaining"] == "85"


async def test_clients_without_a_token_are_distinguished_by_their_address(limited: EdgeHarness) -> None:
    here, there = somewhere(), somewhere()
    answers = [await search(limited, here) for _ in range(11)]
    assert [answer.status_code for answer in answers] == [200] * 10 + [429]
    assert (await search(limited, there)).status_code == 200


async def test_an_address_that_a_client_makes_up_does_not_count(limited: EdgeHarness) -> None:
    made_up = [somewhere()["x-forwarded-for"] for _ in range(11)]
    here = somewhere()["x-forwarded-for"]
    answers = [
        await search(limited, {"x-forwarded-for": f"{other}, {here}", "x-ic-client": other})
        for other in made_up
    ]
    assert answers[-1].status_code == 429


async def test_a_shared_answer_carries_no_limit_and_a_cached_one_is_not_counted(
    limited: EdgeHarness,
) -> None:
    here, query = somewhere(), {"q": secrets.token_hex(8)}
    answers = [await limited.client.get(SEARCH, params=query, headers=here) for _ in range(20)]
    assert {answer.status_code for answer in answers} == {200}
    assert [answer.headers["x-cache"] for answer in answers] == ["MISS"] + ["HIT"] * 19
    assert not any("x-ratelimit-remaining" in answer.headers for answer in answers)


def from_(address: str) -> dict[str, str]:
    return {"x-forwarded-for": address}


def network() -> str:
    """Return the first three groups of an IPv6 /48 that no other test has."""
    return f"2001:db8:{secrets.randbelow(65_535) + 1:x}"


async def spent(edge: EdgeHarness, addresses: Iterable[str]) -> list[int]:
    return [(await search(edge, from_(each))).status_code for each in addresses]


async def count_granted(edge: EdgeHarness, addresses: Iterable[str]) -> int:
    """Return the number of searches, one an address, before the first that is refused."""
    granted = 0
    for each in addresses:
        if await spent(edge, [each]) != [200]:
            break
        granted += 1
    return granted


async def test_the_addresses_of_one_ipv6_64_have_one_allowance(limited: EdgeHarness) -> None:
    site = network()
    assert await spent(limited, [f"{site}:1:{n:x}::{n + 1:x}" for n in range(10)]) == [200] * 10
    refused = await search(limited, from_(f"{site}:1:ffff:1:2:3"))
    assert (refused.status_code, reason_of(refused)) == (429, "RATE_LIMITED")
    assert refused.headers["ratelimit-policy"] == '"SEARCH";q=10;w=60'
    assert await spent(limited, [f"{site}:2::1"]) == [200]


async def test_the_64s_of_a_household_and_of_a_site_have_an_allowance_together(limited: EdgeHarness) -> None:
    home = network()
    assert await spent(limited, [f"{home}:1{n:02x}::1" for n in range(40)]) == [200] * 40
    assert await spent(limited, [f"{home}:1ff::1", f"{home}:200::1"]) == [429, 200]
    site = network()
    # The calls may take a part of the minute, and the share of it that is over is given back.
    assert 160 <= await count_granted(limited, (f"{site}:{n:x}00::1" for n in range(250))) < 250
    assert await spent(limited, [f"{network()}::1"]) == [200]


async def test_an_ipv4_address_has_one_allowance_in_whichever_form_it_comes(limited: EdgeHarness) -> None:
    one, two = secrets.randbelow(256), secrets.randbelow(256)
    ipv4, hexadecimal = f"198.18.{one}.{two}", f"c612:{one:02x}{two:02x}"
    forms = [ipv4, f"::ffff:{ipv4}", f"::ffff:{hexadecimal}", f"64:ff9b::{ipv4}", f"2002:{hexadecimal}::1"]
    assert await spent(limited, forms * 2) == [200] * 10
    assert await spent(limited, forms) == [429] * 5


def registration(email: str = "") -> dict[str, str]:
    return {
        "email": email or f"{secrets.token_hex(6)}@example.org",
        "password": "green kettle orbit 7",
        "name": "Ada",
        "kind": "ACCOUNT_KIND_STUDENT",
    }


async def test_one_address_has_five_registrations_and_its_own_five_codes_from_one_client(
    limited: EdgeHarness,
) -> None:
    here, email = somewhere(), f"{secrets.token_hex(6)}@example.org"
    spellings = [email, email.upper(), f"{email[:1].upper()}{email[1:]}", email, email, email]
    answers = [
        await limited.client.post(REGISTER, json=registration(each), headers=here) for each in spellings
    ]
    assert [answer.status_code for answer in answers] == [200] * 5 + [429]
    assert reason_of(answers[-1]) == "RATE_LIMITED"
    assert answers[-1].headers["ratelimit-policy"] == '"SIGN_UP";q=5;w=900'
    assert int(answers[-1].headers["retry-after"]) > 0
    code = {"email": email, "code": "12345678"}
    answers = [
        await limited.client.post("/api/v1/auth/verify-email", json=code, headers=here) for _ in range(6)
    ]
    assert [answer.status_code for answer in answers] == [200] * 5 + [429]


async def test_one_account_has_one_allowance_in_whatever_spelling_of_an_international_domain(
    limited: EdgeHarness,
) -> None:
    here, local = somewhere(), secrets.token_hex(6)
    domains = ["münchen.de", "xn--mnchen-3ya.de", "MÜNCHEN.DE", "mu\u0308nchen.de", "XN--MNCHEN-3YA.de"]
    spellings = [f"{local}@{domain}" for domain in domains] + [f"\u200b{local}@münchen.de\u00a0"]
    answers = [
        await limited.client.post(REGISTER, json=registration(each), headers=here) for each in spellings
    ]
    assert [answer.status_code for answer in answers] == [200] * 5 + [429]


async def test_others_who_register_an_address_leave_its_owner_some_of_its_allowance(
    limited: EdgeHarness,
) -> None:
    email, elsewhere = f"{secrets.token_hex(6)}@example.org", somewhere()
    for _ in range(6):
        await limited.client.post(REGISTER, json=registration(email), headers=elsewhere)
    owners = await limited.client.post(REGISTER, json=registration(email), headers=somewhere())
    assert owners.status_code == 200


async def test_a_class_of_forty_signs_up_from_behind_one_address(limited: EdgeHarness) -> None:
    campus = somewhere()
    for number in range(40):
        person = registration(f"{secrets.token_hex(6)}-{number}@example.org")
        code = {"email": person["email"], "code": "12345678"}
        login = {"email": person["email"], "password": person["password"]}
        answers = [
            await limited.client.post(REGISTER, json=person, headers=campus),
            await limited.client.post("/api/v1/auth/verify-email", json=code, headers=campus),
            await limited.client.post(LOGIN, json=login, headers=campus),
        ]
        assert [answer.status_code for answer in answers] == [200] * 3


async def test_one_client_registers_a_hundred_addresses_and_no_more(limited: EdgeHarness) -> None:
    here = somewhere()
    answers = [await limited.client.post(REGISTER, json=registration(), headers=here) for _ in range(110)]
    # On a busy machine the gateway does not wait for the limiter, and a call passes uncounted.
    assert {answer.status_code for answer in answers[:100]} == {200}
    assert answers[-1].status_code == 429
    assert answers[-1].headers["ratelimit-policy"] == '"SIGN_UP";q=100;w=900'


async def test_sign_ins_that_succeed_are_not_counted_here(limited: EdgeHarness) -> None:
    here, login = somewhere(), {"email": f"{secrets.token_hex(6)}@example.org", "password": "a"}
    answers = [await limited.client.post(LOGIN, json=login, headers=here) for _ in range(30)]
    assert {answer.status_code for answer in answers} == {200}
    assert not any("x-ratelimit-limit" in answer.headers for answer in answers)


async def typed(edge: EdgeHarness, who: dict[str, str], **query: str) -> httpx.Response:
    """Return a search with an extra filter of its own, so that no cache answers it."""
    return await edge.client.get(SEARCH, params=query, headers=who)


async def test_typing_letter_by_letter_and_turning_pages_is_one_search(limited: EdgeHarness) -> None:
    who, text = somebody(plan="FREE"), "python berlin"
    answers = [await typed(limited, who, q=text[:length]) for length in range(1, len(text) + 1)]
    answers += [await typed(limited, who, q=text, pageToken=f"{page}") for page in range(5)]
    assert {answer.status_code for answer in answers} == {200}
    assert {answer.headers["x-ratelimit-remaining"] for answer in answers} == {"9"}
    assert (await typed(limited, who, q=text, city="Bern")).headers["x-ratelimit-remaining"] == "8"


async def test_who_has_used_up_their_searches_may_finish_typing_the_last_one(limited: EdgeHarness) -> None:
    who = somebody(plan="FREE")
    answers = [await search(limited, who) for _ in range(9)]
    answers += [await typed(limited, who, q=text) for text in ("pyt", "pyth", "python")]
    assert {answer.status_code for answer in answers} == {200}
    assert (await typed(limited, who, q="java")).status_code == 429
    assert (await typed(limited, who, q="python berlin")).status_code == 200


async def test_searches_that_only_look_alike_are_counted(limited: EdgeHarness) -> None:
    who = somebody(plan="FREE")
    made_up = {**who, "x-envoy-original-path": "/api/v1/internships?q=a"}
    answers = [await search(limited, made_up) for _ in range(11)]
    assert answers[-1].status_code == 429


async def test_a_query_that_is_too_long_to_compare_counts_every_time(limited: EdgeHarness) -> None:
    who = somebody(plan="FREE")
    answers = [await typed(limited, who, q="python", city="x" * 5000) for _ in range(11)]
    assert answers[-1].status_code == 429


async def test_completions_have_an_allowance_of_their_own(limited: EdgeHarness) -> None:
    limited.internships.answers["SuggestInternships"] = pb.SuggestInternshipsResponse().SerializeToString()
    who = somebody(plan="FREE")
    answer = await limited.client.get(f"{SEARCH}:suggest", params={"q": "py"}, headers=who)
    assert answer.status_code == 200
    assert answer.headers["ratelimit-policy"] == '"SUGGEST";q=120;w=60'
    assert (await search(limited, who)).headers["x-ratelimit-remaining"] == "9"
