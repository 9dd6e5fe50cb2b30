"""The workload: students and companies who apply, move, accept and withdraw, and repeat unanswered calls."""

import asyncio
import random
import ssl
import time
import uuid
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any, Final

import httpx

from devstack.journey.client import Json
from devstack.journey.main_journey import sample_listing
from devstack.seed.signed_in_users import SignedInUser
from verify.chaos.operation_log import (
    OVERLOADED_STATUS,
    REPEAT,
    RETRYABLE_STATUSES,
    UNEXPECTED_STATUSES,
    OperationLog,
    unexpected_answer_subject,
)

WAIT_TIMEOUT_S: Final = 60.0
CALL_TIMEOUT_S: Final = 10.0
PAUSE_RANGE_S: Final = (0.05, 0.4)
LISTINGS_PER_COMPANY: Final = 3
MAX_OPENINGS: Final = 3
REPEATED_SHARE: Final = 0.25
"""The share of answered applications that are sent again under their key."""
RETRYABLE_REASONS: Final = frozenset({"OPERATION_IN_PROGRESS", "OVERLOADED", "RATE_LIMITED"})
_NEXT_STATES: Final = {
    "APPLICATION_STATE_SUBMITTED": ("IN_REVIEW", "SHORTLISTED", "REJECTED"),
    "APPLICATION_STATE_IN_REVIEW": ("INTERVIEW", "INTERVIEW", "WAITLISTED", "REJECTED"),
    "APPLICATION_STATE_SHORTLISTED": ("INTERVIEW", "OFFERED"),
    "APPLICATION_STATE_WAITLISTED": ("INTERVIEW", "OFFERED"),
    "APPLICATION_STATE_INTERVIEW": ("OFFERED", "OFFERED", "REJECTED"),
}


class Workload:
    """All users, the present listings, and the gateways that they call.

    A call goes to another gateway when one refuses connections, as behind a load balancer.
    """

    def __init__(
        self,
        urls: Sequence[str],
        trust: ssl.SSLContext | bool,
        operation_log: OperationLog,
        dice: random.Random,
    ) -> None:
        self.operation_log = operation_log
        self.listings: dict[str, SignedInUser] = {}
        """By listing ID: its owner."""
        self._dice = dice
        self._gateways = [_gateway_client(url, trust) for url in urls]

    async def close(self) -> None:
        """Close all connections."""
        for gateway in self._gateways:
            await gateway.aclose()

    async def run_until(
        self, students: Sequence[SignedInUser], owners: Sequence[SignedInUser], is_over: Callable[[], bool]
    ) -> None:
        """Let all users work until `is_over`, and finish their operations."""
        async with asyncio.TaskGroup() as group:
            for owner in owners:
                group.create_task(self._repeat(partial(self._manage, owner), is_over))
            for student in students:
                group.create_task(self._repeat(partial(self._study, student), is_over))

    async def _repeat(self, act: Callable[[], Awaitable[None]], is_over: Callable[[], bool]) -> None:
        while not is_over():
            await act()
            await asyncio.sleep(self._dice.uniform(*PAUSE_RANGE_S))

    async def _manage(self, owner: SignedInUser) -> None:
        own = [id_ for id_, whose in self.listings.items() if whose is owner]
        if len(own) < LISTINGS_PER_COMPANY:
            await self._publish(owner)
            return
        rows = await self._read(owner, f"/api/v1/internships/{self._dice.choice(own)}/applications")
        waiting = [row for row in rows if row["state"] in _NEXT_STATES]
        if waiting:
            await self._move(owner, self._dice.choice(waiting))

    async def _publish(self, owner: SignedInUser) -> None:
        body = sample_listing("chaos") | {"questions": [], "openings": self._dice.randint(1, MAX_OPENINGS)}
        draft = await self._change(owner, "draft", "/api/v1/internships", body)
        if not draft:
            return
        path = f"/api/v1/internships/{draft['id']}:publish"
        published = await self._change(owner, "publish", path, {"etag": draft["etag"]}, subject=draft["id"])
        if published:
            self.listings[draft["id"]] = owner

    async def _move(self, owner: SignedInUser, row: Json) -> None:
        id_, state = row["applicationId"], row["state"]
        to = self._dice.choice(_NEXT_STATES[state])
        body = {"to": f"APPLICATION_STATE_{to}", "expectedState": state}
        path = f"/api/v1/applications/{id_}:move"
        await self._change(owner, "move", path, body, subject=id_, detail=to)

    async def _study(self, student: SignedInUser) -> None:
        if not self.listings:
            return
        rows = await self._read(student, "/api/v1/applications")
        offers = [row for row in rows if row["status"] == "STUDENT_STATUS_OFFER"]
        live = [
            row for row in rows if row["status"] in ("STUDENT_STATUS_RECEIVED", "STUDENT_STATUS_IN_REVIEW")
        ]
        if offers:
            verb = self._dice.choice(("accept", "accept", "accept", "decline"))
            await self._answer(student, verb, self._dice.choice(offers)["id"])
        elif live and self._dice.random() < 0.1:
            await self._answer(student, "withdraw", self._dice.choice(live)["id"])
        else:
            await self._apply(student, self._dice.choice(list(self.listings)))

    async def _answer(self, student: SignedInUser, verb: str, id_: str) -> None:
        await self._change(student, verb, f"/api/v1/applications/{id_}:{verb}", {}, subject=id_)

    async def _apply(self, student: SignedInUser, internship_id: str) -> None:
        body, key = {"internshipId": internship_id}, str(uuid.uuid4())
        path = "/api/v1/applications"
        made = await self._change(student, "apply", path, body, detail=internship_id, key=key)
        if made and self._dice.random() < REPEATED_SHARE:
            await self._change(student, REPEAT, path, body, detail=made["id"], key=key)

    async def _read(self, member: SignedInUser, path: str) -> list[Json]:
        """Return the rows of a first page; none when it is unavailable now."""
        status, body = await self._call("GET", path, member.headers, None)
        return list(body.get("data", ())) if status == httpx.codes.OK else []

    async def _change(
        self,
        member: SignedInUser,
        what: str,
        path: str,
        body: Json,
        *,
        subject: str = "",
        detail: str = "",
        key: str = "",
    ) -> Json:
        """Make a change, repeated under one key until answered, and log it; return {} unless it was made."""
        headers = {**member.headers, "idempotency-key": key or str(uuid.uuid4())}
        asked, tries = time.monotonic(), 0
        while True:
            tries += 1
            status, answer = await self._call("POST", path, headers, body)
            reason = _error_reason(answer)
            definite = 200 <= status < 500 and reason not in RETRYABLE_REASONS
            if definite or time.monotonic() > asked + WAIT_TIMEOUT_S:
                break
            await asyncio.sleep(self._dice.uniform(0.1, 0.5))
        self.operation_log.record(
            who=member.principal.id,
            what=what,
            subject=subject or str(answer.get("id", "")),
            answer=status if definite else 0,
            reason=reason,
            tries=tries,
            detail=detail,
            took_s=time.monotonic() - asked,
        )
        return answer if 200 <= status < 300 else {}

    async def _call(self, method: str, path: str, headers: dict[str, str], body: Any) -> tuple[int, Json]:
        try:
            answer = await self._send(method, path, json=body, headers=headers)
            found: Json = answer.json()
        except (httpx.TransportError, ValueError) as error:
            self._count("none", f"{method} {path}", repr(error))
            return 0, {}
        self._count(str(answer.status_code), f"{method} {path}", _error_reason(found))
        return answer.status_code, found

    async def _send(self, method: str, path: str, **parts: Any) -> httpx.Response:
        first, *others = self._dice.sample(self._gateways, len(self._gateways))
        for gateway in (first, *others):
            try:
                return await gateway.request(method, path, **parts)
            except httpx.ConnectError as error:
                refused = error
        raise refused

    def _count(self, status: str, call: str, reason: str) -> None:
        told = OVERLOADED_STATUS if reason == "OVERLOADED" else status
        self.operation_log.call_counts[told] += 1
        if told in UNEXPECTED_STATUSES or told in RETRYABLE_STATUSES:
            answer = int(status) if status.isdecimal() else 0
            self.operation_log.record(
                who="",
                what=call,
                subject=unexpected_answer_subject(told),
                answer=answer,
                reason=reason,
                tries=1,
            )


def _gateway_client(url: str, trust: ssl.SSLContext | bool) -> httpx.AsyncClient:
    return httpx.AsyncClient(
        base_url=url,
        verify=trust,
        timeout=CALL_TIMEOUT_S,
        trust_env=False,
        limits=httpx.Limits(max_connections=64),
    )


def _error_reason(answer: Json) -> str:
    return next((str(each["reason"]) for each in answer.get("details", ()) if "reason" in each), "")
