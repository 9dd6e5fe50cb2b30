"""Who calls in these tests: people with accounts, members of every role, the services themselves, nobody."""

import asyncio
import uuid
from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, Final, Self

import httpx

from chassis.call_context import Principal
from chassis.clock import SystemClock
from chassis.contracts import RpcSpec
from chassis.ids import new_id
from chassis.security.service_identity import ServiceIdentity
from devstack.credentials import service_key_path
from devstack.journey.client import Json, wait_for_result
from devstack.seed.in_process_services import open_auth_resources
from devstack.seed.signed_in_users import SignedInUser
from devstack.seed.tokens import SeedTokenIssuer
from tests.faults.user_pool import UserPool, wait_for_recovery
from tests.stack import StackHandle

ROLES: Final = ("OWNER", "RECRUITER", "HIRING_MANAGER", "VIEWER")
ANONYMOUS: Final = "nobody"
STUDENT: Final = "student"
OWNER: Final = "owner"
SERVICE: Final = "service"
ADMIN: Final = "administrator"
MODERATOR: Final = "moderator"
SECOND_FACTOR: Final = ("pwd", "otp", "mfa")
OTHER_STUDENT: Final = "another student"
OTHER_COMPANY: Final = "another company's {}"
WITHOUT_COMPANY: Final = "a company account without a company"
TIMEOUT_S: Final = 30.0


@dataclass(frozen=True)
class LabelledCaller:
    """A caller; `token` is empty for an anonymous one."""

    label: str
    principal: Principal | None = None
    token: str = ""

    @property
    def headers(self) -> dict[str, str]:
        """The headers that authenticate the caller."""
        return {"authorization": f"Bearer {self.token}"} if self.token else {}

    def is_admitted(self, rpc: RpcSpec) -> bool:
        """Return whether the contract admits callers of this kind and role at all."""
        if self.principal is None:
            return rpc.is_public
        kind, role = self.principal.kind, self.principal.role
        names = {"PUBLIC", kind, f"{kind}_{role}"} | ({"SIGNED_IN"} if kind != "SERVICE" else set())
        return bool(names & rpc.callers)


class CallerDirectory:
    """All callers by label, and their calls to the gateway."""

    def __init__(self, stack: StackHandle, crowd: UserPool, callers: Mapping[str, LabelledCaller]) -> None:
        self.stack = stack
        self.crowd = crowd
        self._callers = callers
        self._identity = load_service_identity(stack, "application")
        self._http = httpx.Client(
            base_url=stack.gateway_url, timeout=TIMEOUT_S, trust_env=False, verify=stack.trust
        )

    @classmethod
    def assemble(cls, stack: StackHandle) -> Self:
        """Open the accounts and wait until every service knows them."""
        crowd = asyncio.run(UserPool.gather(stack, students=2, owners=2))
        wait_for_recovery(crowd.are_known, "the cast to be known")
        return cls(stack, crowd, asyncio.run(_open_callers(stack, crowd)))

    def __getitem__(self, label: str) -> LabelledCaller:
        caller = self._callers[label]
        return replace(caller, token=self._identity.token()) if label == SERVICE else caller

    @property
    def everybody(self) -> tuple[LabelledCaller, ...]:
        """Return all callers."""
        return tuple(self._callers.values())

    @property
    def visitors(self) -> tuple[LabelledCaller, ...]:
        """Return the callers who own nothing of student and owner."""
        others = [OTHER_STUDENT, *(OTHER_COMPANY.format(role) for role in ROLES), MODERATOR, ADMIN, ANONYMOUS]
        return tuple(self._callers[label] for label in others)

    def best_for(self, rpc: RpcSpec) -> LabelledCaller:
        """Return a caller whom the contract of a call admits."""
        signed_in = (self[label] for label in (STUDENT, OWNER, SERVICE, ADMIN))
        best = next((one for one in signed_in if one.is_admitted(rpc)), self[ANONYMOUS])
        return self.in_another_session(best) if rpc.name == "Logout" else best

    def in_another_session(
        self, caller: LabelledCaller, life: timedelta = timedelta(minutes=5)
    ) -> LabelledCaller:
        """Return the same person with another token, so that the first one stays valid."""
        assert caller.principal is not None
        return replace(caller, token=asyncio.run(_issue_token(self.stack, caller.principal, life)))

    def ask(self, caller: LabelledCaller, method: str, path: str, **request: Any) -> httpx.Response:
        """Make one HTTP call with an idempotency key of its own."""
        headers = {"idempotency-key": uuid.uuid4().hex, **caller.headers, **request.pop("headers", {})}
        return self._http.request(method, path, headers=headers, **request)

    def must(self, label: str, method: str, path: str, **request: Any) -> Json:
        """Return the answer to a request that has to be granted, perhaps a moment later."""

        def granted() -> Json | None:
            answer = self.ask(self._callers[label], method, path, **request)
            body: Json = answer.json()
            return body if answer.is_success else None

        return wait_for_result(granted, f"{method} {path} to be granted")


async def _open_callers(stack: StackHandle, crowd: UserPool) -> dict[str, LabelledCaller]:
    async with AsyncExitStack() as closing:
        minting = SeedTokenIssuer(await open_auth_resources(stack.cluster, closing, clock=SystemClock()))

        async def member(owner: SignedInUser, role: str, label: str) -> LabelledCaller:
            principal = replace(owner.principal, id=new_id("usr"), role=role)
            return LabelledCaller(label, principal, await minting.issue(principal))

        owner, other = crowd.owners
        staff = {
            label: Principal(new_id("usr"), kind, email_verified=True, amr=SECOND_FACTOR)
            for label, kind in ((ADMIN, "ADMIN"), (MODERATOR, "MODERATOR"))
        }
        unbound = Principal(new_id("usr"), "COMPANY", email_verified=True)
        people = [
            _caller_of(STUDENT, crowd.students[0]),
            _caller_of(OTHER_STUDENT, crowd.students[1]),
            _caller_of(OWNER, owner),
            *[await member(owner, role, role.lower()) for role in ROLES[1:]],
            *[await member(other, role, OTHER_COMPANY.format(role)) for role in ROLES],
            LabelledCaller(WITHOUT_COMPANY, unbound, await minting.issue(unbound)),
            *[LabelledCaller(label, each, await minting.issue(each)) for label, each in staff.items()],
            LabelledCaller(SERVICE, Principal("application", "SERVICE")),
            LabelledCaller(ANONYMOUS),
        ]
    return {one.label: one for one in people}


def _caller_of(label: str, member: SignedInUser) -> LabelledCaller:
    return LabelledCaller(label, member.principal, member.token)


async def _issue_token(stack: StackHandle, principal: Principal, life: timedelta) -> str:
    async with AsyncExitStack() as closing:
        auth = await open_auth_resources(stack.cluster, closing, clock=SystemClock())
        return await SeedTokenIssuer(auth).issue(principal, life)


def load_service_identity(stack: StackHandle, service: str) -> ServiceIdentity:
    """Return what a service says who it is with."""
    return ServiceIdentity.from_file(service, service_key_path(stack.topology, service))


def error_reason(body: Json) -> str:
    """Return the reason of an error's body; empty when it has none."""
    return next((str(each["reason"]) for each in body.get("details", []) if "reason" in each), "")
