"""A crowd of students that applies all at once and never takes no answer for an answer."""

import asyncio
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import httpx
from pymongo import MongoClient

from ops.journey.client import Json, eventually
from ops.journey.story import listing
from ops.seed.people import Member, open_people
from tests.stack import Stack
from tests.waiting import GENEROUS_S

AT_ONCE = 50
PATIENCE_S = 90.0
STUDENTS = 100
COMPANIES = 5


@dataclass
class Outcome:
    """What the crowd was told: (student's ID, listing's ID) -> the application's ID."""

    acknowledged: dict[tuple[str, str], str] = field(default_factory=dict)
    refused: list[tuple[int, str]] = field(default_factory=list)
    tries: int = 0


class Crowd:
    """Students and companies, and the applications between them."""

    def __init__(self, stack: Stack, students: Sequence[Member], owners: Sequence[Member]) -> None:
        self.stack = stack
        self.students = students
        self.owners = owners

    @classmethod
    async def gather(cls, stack: Stack, *, students: int = STUDENTS, owners: int = COMPANIES) -> "Crowd":
        """Opens the accounts, by the services' own code; the companies are spread over all shards."""
        found = await open_people(stack.topology, students=students, companies=owners)
        return cls(stack, *found)

    def are_known(self) -> bool | None:
        """Whether the news of everybody's registration has reached those who write the mails."""
        ids = [member.principal.id for member in (*self.students, *self.owners)]
        known = 0
        for uri in self.stack.admin_uris().values():
            with MongoClient[Json](uri) as client:
                known += client["ic_notification"]["recipients"].count_documents({"_id": {"$in": ids}})
        return known == len(ids) or None

    async def post_listings(self) -> list[str]:
        """A listing of each company, open for applications and without questions."""
        async with self._client() as client:
            return [await self._post_listing(client, owner) for owner in self.owners]

    async def _post_listing(self, client: httpx.AsyncClient, owner: Member) -> str:
        body = listing("crowd") | {"questions": [], "openings": 500}
        draft = await self._until_answered(client, owner, "/api/v1/internships", body)
        path = f"/api/v1/internships/{draft['id']}:publish"
        published = await self._until_answered(client, owner, path, {})
        return str(published["id"])

    async def apply_everywhere(self, listings: Sequence[str], outcome: Outcome) -> None:
        """Every student applies for every listing; a failed try is repeated under its key."""
        pairs = [(student, listing_id) for listing_id in listings for student in self.students]
        gate = asyncio.Semaphore(AT_ONCE)
        async with self._client() as client, asyncio.TaskGroup() as group:

            async def apply(student: Member, listing_id: str) -> None:
                async with gate:
                    body = {"internshipId": listing_id}
                    answer = await self._until_answered(
                        client, student, "/api/v1/applications", body, outcome
                    )
                    outcome.acknowledged[student.principal.id, listing_id] = answer["id"]

            for student, listing_id in pairs:
                group.create_task(apply(student, listing_id))

    async def _until_answered(
        self,
        client: httpx.AsyncClient,
        member: Member,
        path: str,
        body: Json,
        outcome: Outcome | None = None,
    ) -> Json:
        outcome = outcome or Outcome()
        headers = member.headers | {"idempotency-key": str(uuid.uuid4())}
        loop = asyncio.get_running_loop()
        until = loop.time() + PATIENCE_S
        while loop.time() < until:
            outcome.tries += 1
            try:
                answer = await client.post(path, json=body, headers=headers)
            except httpx.TransportError:
                await asyncio.sleep(0.2)
                continue
            if answer.is_success:
                found: Json = answer.json()
                return found
            outcome.refused.append((answer.status_code, answer.text[:300]))
            assert answer.status_code in {409, 429, 500, 503, 504}, answer.text
            await asyncio.sleep(0.3)
        raise TimeoutError(f"{path} was not answered: {outcome.refused[-3:]}")

    def _client(self) -> httpx.AsyncClient:
        return httpx.AsyncClient(
            base_url=self.stack.gateway_url,
            timeout=GENEROUS_S,
            trust_env=False,
            verify=self.stack.trust,
            limits=httpx.Limits(max_connections=AT_ONCE),
        )

    def get(self, member: Member, path: str, **parameters: Any) -> Json:
        """Reads as a member."""
        url = self.stack.gateway_url + path
        with httpx.Client(timeout=10.0, trust_env=False, verify=self.stack.trust) as client:
            answer = client.get(url, params=parameters, headers=member.headers)
        found: Json = answer.raise_for_status().json()
        return found


def all_pages(crowd: Crowd, member: Member, path: str) -> list[Json]:
    """All rows of a collection."""
    rows: list[Json] = []
    token = ""
    while True:
        page = crowd.get(member, path, pageSize=50, pageToken=token)
        rows += page["data"]
        token = page["nextPageToken"]
        if not token:
            return rows


def awaited(look: Any, what: str, *, tries: int = 9) -> Any:
    """As `eventually`, with the patience that a restart takes."""
    for _ in range(tries - 1):
        try:
            return eventually(look, what)
        except TimeoutError:
            continue
    return eventually(look, what)
