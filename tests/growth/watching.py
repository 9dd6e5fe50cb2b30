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

from ops.journey.story import listing
from ops.seed.people import Member, open_people
from tests.stack import Stack, await_true

OWNERS: Final = 8
PAUSE_S: Final = 0.1
TIMEOUT_S: Final = 10.0


@dataclass
class Watch:
    """What was asked for and what was wrong with the answers."""

    looks: int = 0
    wrong: list[str] = field(default_factory=list)


@contextmanager
def watched(stack: Stack) -> Iterator[Watch]:
    """Publishes listings all over the slot map, and searches for them and reads them until the block ends."""
    word = f"w{secrets.token_hex(4)}"
    with httpx.Client(
        base_url=stack.topology.public_url, timeout=TIMEOUT_S, trust_env=False, verify=stack.trust
    ) as client:
        _, owners = asyncio.run(open_people(stack.topology, students=0, companies=OWNERS))
        await_true(lambda: _known(client, owners), "the companies to be known", within_s=60)
        ids = [_published(client, owner, word) for owner in owners]
        await_true(lambda: _found(client, word, 50) == Counter(ids), "all listings to be found", within_s=60)
        watch, over = Watch(), threading.Event()
        with ThreadPoolExecutor(1) as threads:
            looking = threads.submit(_look, client, word, ids, watch, over)
            try:
                yield watch
            finally:
                over.set()
            looking.result()


def _look(client: httpx.Client, word: str, ids: Sequence[str], watch: Watch, over: threading.Event) -> None:
    while not over.is_set():
        # Pages of ever another size: a cache has few of them.
        found = _found(client, word, 10 + watch.looks % 40)
        if found != Counter(ids):
            watch.wrong.append(f"{time.monotonic():.1f} search: {found}")
        id_ = ids[watch.looks % len(ids)]
        status = client.get(f"/api/v1/internships/{id_}").status_code
        if status != httpx.codes.OK:
            watch.wrong.append(f"{time.monotonic():.1f} {id_}: {status}")
        watch.looks += 1
        time.sleep(PAUSE_S)


def _found(client: httpx.Client, word: str, size: int) -> Counter[str] | str:
    answer = client.get("/api/v1/internships", params={"q": word, "pageSize": size})
    if answer.status_code != httpx.codes.OK:
        return f"{answer.status_code} {answer.text[:200]}"
    return Counter(row["id"] for row in answer.json()["data"])


def _known(client: httpx.Client, owners: Sequence[Member]) -> bool:
    paths = [f"/api/v1/companies/{owner.principal.org}" for owner in owners]
    return all(client.get(path).status_code == httpx.codes.OK for path in paths)


def _published(client: httpx.Client, owner: Member, word: str) -> str:
    draft = _done(client, owner, "/api/v1/internships", listing(word))
    _done(client, owner, f"/api/v1/internships/{draft['id']}:publish", {"etag": draft["etag"]})
    return str(draft["id"])


def _done(client: httpx.Client, owner: Member, path: str, body: dict[str, Any]) -> dict[str, Any]:
    headers = {**owner.headers, "idempotency-key": str(uuid.uuid4())}
    answer = client.post(path, json=body, headers=headers)
    found: dict[str, Any] = answer.raise_for_status().json()
    return found
