"""A crowd of students that applies all at once and never takes no answer for an answer."""

import asyncio
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import httpx
from pymongo import MongoClient

from devstack.journey.client import Json, wait_for_result
from devstack.journey.main_journey import sample_listing
from devstack.seed.signed_in_users import SignedInUser, create_signed_in_users
from tests.stack import StackHandle
from tests.waiting import WAIT_TIMEOUT_S

MAX_CONCURRENT_APPLICATIONS = 50
ANSWER_TIMEOUT_S = 90.0
STUDENTS = 100
COMPANIES = 5


@dataclass
class ApplicationOutcome:
    """The answers that the users got: (student's ID, listing's ID) -> the application's ID."""

    acknowledged: dict[tuple[str, str], str] = field(default_factory=dict)
    refused: list[tuple[int, str]] = field(default_factory=list)
    tries: int = 0


class UserPool:
    """Students and companies, and the applications between them."""

    def __init__(
        self, stack: StackHandle, students: Sequence[SignedInUser], owners: Sequence[SignedInUser]
    ) -> None:
        self.stack = stack
        self.students = students
        self.owners = owners

    @classmethod
    async def gather(
        cls, stack: StackHandle, *, students: int = STUDENTS, owners: int = COMPANIES
    ) -> "UserPool":
        """Open the accounts, by the services' own code; the companies are spread over all shards."""
        found = await create_signed_in_users(stack.topology, students=students, companies=owners)
        return cls(stack, *found)

    def are_known(self) -> bool | None:
        """Return whether every registration has reached the notification service."""
        ids = [member.principal.id for member in (*self.students, *self.owners)]
        known = 0
        for uri in self.stack.admin_uris().values():
            with MongoClient[Json](uri) as client:
                known += client["ic_notification"]["recipients"].count_documents({"_id": {"$in": ids}})
        return known == len(ids) or None

    async def post_listings(self) -> list[str]:
        """Return a listing of each company, open for applications and without questions."""
        async with self._client() as client:
            return [await self._post_listing(client, owner) for owner in self.owners]

    async def _post_listing(self, client: httpx.AsyncClient, owner: SignedInUser) -> str:
        body = sample_listing("crowd") | {"questions": [], "openings": 500}
        draft = await self._until_answered(client, owner, "/api/v1/internships", body)
        path = f"/api/v1/internships/{draft['id']}:publish"
        published = await self._until_answered(client, owner, path, {})
        return str(published["id"])

    async def apply_everywhere(self, listings: Sequence[str], outcome: ApplicationOutcome) -> None:
        """Let every student apply for every listing; a failed attempt is repeated under its key."""
        pairs = [(student, listing_id) for listing_id in listings for student in self.students]
        gate = asyncio.Semaphore(MAX_CONCURRENT_APPLICATIONS)
        async with self._client() as client, asyncio.TaskGroup() as group:

            async def apply(student: SignedInUser, listing_id: str) -> None:
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
        member: SignedInUser,
        path: str,
        body: Json,
        outcome: ApplicationOutcome | None = None,
    ) -> Json:
        outcome = outcome or ApplicationOutcome()
        headers = member.headers | {"idempotency-key": str(uuid.uuid4())}
        loop = asyncio.get_running_loop()
        until = loop.time() + ANSWER_TIMEOUT_S
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
            timeout=WAIT_TIMEOUT_S,
            trust_env=False,
            verify=self.stack.trust,
            limits=httpx.Limits(max_connections=MAX_CONCURRENT_APPLICATIONS),
        )

    def get(self, member: SignedInUser, path: str, **parameters: Any) -> Json:
        """Read as a member."""
        url = self.stack.gateway_url + path
        with httpx.Client(timeout=10.0, trust_env=False, verify=self.stack.trust) as client:
            answer = client.get(url, params=parameters, headers=member.headers)
        found: Json = answer.raise_for_status().json()
        return found


def list_all_pages(crowd: UserPool, member: SignedInUser, path: str) -> list[Json]:
    """Return all rows of a collection, page by page."""
    rows: list[Json] = []
    token = ""
    while True:
        page = crowd.get(member, path, pageSize=50, pageToken=token)
        rows += page["data"]
        token = page["nextPageToken"]
        if not token:
            return rows


def wait_for_recovery(look: Any, what: str, *, tries: int = 9) -> Any:
    """Wait as `wait_until_blocking` does, with the time that a restart takes."""
    for _ in range(tries - 1):
        try:
            return wait_for_result(look, what)
        except TimeoutError:
            continue
    return wait_for_result(look, what)
