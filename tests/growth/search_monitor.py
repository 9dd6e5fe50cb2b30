"""Somebody who looks again and again whether each of some listings is found, once."""

import asyncio
import secrets
import threading
import time
import uuid
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final

import httpx

from devstack.journey.main_journey import sample_listing
from devstack.seed.signed_in_users import SignedInUser, create_signed_in_users
from tests.stack import StackHandle, wait_until_blocking

OWNERS: Final = 8
POLL_INTERVAL_S: Final = 0.1
TIMEOUT_S: Final = 10.0


@dataclass
class SearchMonitor:
    """The number of searches, and the wrong answers."""

    looks: int = 0
    wrong: list[str] = field(default_factory=list)


@contextmanager
def monitoring_search(stack: StackHandle) -> Iterator[SearchMonitor]:
    """Publish listings all over the slot map, and search for and read them until the block ends."""
    word = f"w{secrets.token_hex(4)}"
    with httpx.Client(
        base_url=stack.topology.public_url, timeout=TIMEOUT_S, trust_env=False, verify=stack.trust
    ) as client:
        _, owners = asyncio.run(create_signed_in_users(stack.topology, students=0, companies=OWNERS))
        wait_until_blocking(
            lambda: _are_companies_known(client, owners), "the companies to be known", within_s=60
        )
        ids = [_publish_listing(client, owner, word) for owner in owners]
        wait_until_blocking(
            lambda: _search_ids(client, word, 50) == Counter(ids), "all listings to be found", within_s=60
        )
        watch, over = SearchMonitor(), threading.Event()
        with ThreadPoolExecutor(1) as threads:
            looking = threads.submit(_poll_search, client, word, ids, watch, over)
            try:
                yield watch
            finally:
                over.set()
            looking.result()


def _poll_search(
    client: httpx.Client, word: str, ids: Sequence[str], watch: SearchMonitor, over: threading.Event
) -> None:
    while not over.is_set():
        # Pages of ever another size: a cache has few of them.
        found = _search_ids(client, word, 10 + watch.looks % 40)
        if found != Counter(ids):
            watch.wrong.append(f"{time.monotonic():.1f} search: {found}")
        id_ = ids[watch.looks % len(ids)]
        status = client.get(f"/api/v1/internships/{id_}").status_code
        if status != httpx.codes.OK:
            watch.wrong.append(f"{time.monotonic():.1f} {id_}: {status}")
        watch.looks += 1
        time.sleep(POLL_INTERVAL_S)


def _search_ids(client: httpx.Client, word: str, size: int) -> Counter[str] | str:
    answer = client.get("/api/v1/internships", params={"q": word, "pageSize": size})
    if answer.status_code != httpx.codes.OK:
        return f"{answer.status_code} {answer.text[:200]}"
    return Counter(row["id"] for row in answer.json()["data"])


def _are_companies_known(client: httpx.Client, owners: Sequence[SignedInUser]) -> bool:
    paths = [f"/api/v1/companies/{owner.principal.org}" for owner in owners]
    return all(client.get(path).status_code == httpx.codes.OK for path in paths)


def _publish_listing(client: httpx.Client, owner: SignedInUser, word: str) -> str:
    draft = _post_as(client, owner, "/api/v1/internships", sample_listing(word))
    _post_as(client, owner, f"/api/v1/internships/{draft['id']}:publish", {"etag": draft["etag"]})
    return str(draft["id"])


def _post_as(client: httpx.Client, owner: SignedInUser, path: str, body: dict[str, Any]) -> dict[str, Any]:
    headers = {**owner.headers, "idempotency-key": str(uuid.uuid4())}
    answer = client.post(path, json=body, headers=headers)
    found: dict[str, Any] = answer.raise_for_status().json()
    return found
