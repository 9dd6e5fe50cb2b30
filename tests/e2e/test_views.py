"""Readers of a listing: those whom the edge answers from its cache count, and nobody counts twice."""

import secrets
from collections.abc import Callable

import httpx

from devstack.journey.client import ApiError, ApiUser, wait_for_result
from devstack.journey.main_journey import sample_listing
from tests.stack import StackHandle

NewPerson = Callable[..., ApiUser]


def test_readers_count_once_each_also_those_of_the_edges_cache(
    stack: StackHandle, owner: ApiUser, student: ApiUser
) -> None:
    draft = owner.post("/api/v1/internships", **sample_listing(secrets.token_hex(4)))
    owner.post(f"/api/v1/internships/{draft['id']}:publish")
    path = f"/api/v1/internships/{draft['id']}"
    caches = []
    with httpx.Client(base_url=stack.gateway_url, verify=stack.trust, trust_env=False) as client:

        def read(agent: str, **headers: str) -> httpx.Response:
            sent = {name.replace("_", "-"): value for name, value in headers.items()}
            return client.get(path, headers={"user-agent": agent, **sent})

        for agent in ("Firefox", "Safari", "Firefox", "Chrome", "Safari"):
            answer = read(agent)
            assert answer.status_code == 200
            caches.append(answer.headers["x-cache"])
        read("Chrome", if_none_match=answer.headers["etag"])
        read("Googlebot/2.1")
        read("Edge", sec_purpose="prefetch")
        client.head(path, headers={"user-agent": "Opera"})
        assert "HIT" in caches
        for _ in range(2):
            student.get(path)
            owner.get(path)

        def views(at_least: int) -> int | None:
            try:
                seen = int(owner.get(f"/api/v1/analytics/internships/{draft['id']}/funnel")["views"])
            except ApiError:
                return None
            return seen if seen >= at_least else None

        assert wait_for_result(lambda: views(4), "the readers in the funnel") == 4
        # The edge reports the earlier requests before this one.
        read("Vivaldi")
        assert wait_for_result(lambda: views(5), "one more reader in the funnel") == 5
