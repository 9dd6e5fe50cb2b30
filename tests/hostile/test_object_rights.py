"""Nobody sees or changes the objects of others by any call; the table in `rights` names the owners."""

import asyncio
import re
import secrets
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack
from datetime import timedelta
from itertools import islice
from typing import Any, Final
from urllib.parse import urlsplit

import grpc
import pytest
from google.protobuf.json_format import MessageToDict, ParseDict
from google.protobuf.message import Message

from chassis.aggregates import AggregateChange
from chassis.clock import SystemClock
from chassis.contracts import RpcSpec
from chassis.ids import new_id, slot_of
from devstack.journey.client import Json, wait_for_result
from devstack.journey.main_journey import sample_listing
from devstack.seed.in_process_services import open_auth_resources
from gateway.api_surface import edge_rpcs
from services.auth.domain.api_keys import ApiKey, ApiKeyScope, CompanyApiKeys, PresentedApiKey
from services.auth.domain.identities import ProvenIdentity
from services.auth.domain.linking import with_identity
from services.auth.domain.passkey_changes import with_passkey
from services.auth.domain.passkeys import Passkey
from services.auth.domain.sessions import RefreshToken, start_session
from services.auth.repository import AccountRepository, ApiKeyRepository, SessionRepository
from services.auth.service.provider_accounts import new_linked_identity
from tests.hostile.callers import ANONYMOUS, OWNER, SERVICE, STUDENT, CallerDirectory, LabelledCaller
from tests.hostile.object_rights import (
    ANY_CALLER,
    OBJECT_RIGHTS,
    OwnedObjects,
    adjacent_ids,
    rpcs_with_ids,
    unknown_ids,
)
from tests.hostile.raw_grpc import RawGrpcChannel, RawResponse, call_patiently

GUESSES_PER_CALL: Final = 70
MAX_CONCURRENT_GUESSES: Final = 16
ID: Final = re.compile(r"[a-z]{3}_[0-7][0-9A-HJKMNP-TV-Z]{25}")
ENTRIES: Final = 3
"""The state that a student sees until an offer stands."""


@pytest.fixture(scope="module")
def known(cast: CallerDirectory) -> OwnedObjects:
    """Return a draft, an open listing, an offer to the student for it, and the inbox entry about that.

    The application has the student's document with it.
    """
    draft = cast.must(OWNER, "POST", "/api/v1/internships", json=sample_listing("hidden"))
    opened = cast.must(OWNER, "POST", "/api/v1/internships", json=sample_listing("seen") | {"questions": []})
    cast.must(OWNER, "POST", f"/api/v1/internships/{opened['id']}:publish", json={})
    document = _ready_document(cast)
    form = {"internshipId": opened["id"], "documentIds": [document]}
    application = cast.must(STUDENT, "POST", "/api/v1/applications", json=form)
    offer = {"to": "APPLICATION_STATE_OFFERED", "expectedState": "APPLICATION_STATE_SUBMITTED"}
    path = f"/api/v1/applications/{application['id']}"
    move = {"to": "APPLICATION_STATE_SHORTLISTED", "expectedState": "APPLICATION_STATE_SUBMITTED"}
    cast.must(OWNER, "POST", f"{path}:move", json=move)
    cast.must(OWNER, "POST", f"{path}:move", json=offer | {"expectedState": move["to"]})
    for path in (f"analytics/internships/{opened['id']}/funnel", f"internships/{opened['id']}/applications"):
        cast.must(OWNER, "GET", f"/api/v1/{path}")
    entry = wait_for_result(lambda: _newest_entry(cast, application["id"]), "an inbox entry about the offer")
    student, owner = cast[STUDENT].principal, cast[OWNER].principal
    assert student is not None and owner is not None
    invited = {"email": f"{new_id('usr')}@example.com", "role": "COMPANY_ROLE_VIEWER"}
    invitation = cast.must(OWNER, "POST", "/api/v1/companies/me/invitations", json=invited)
    [founder] = cast.must(OWNER, "GET", "/api/v1/companies/me/members")["data"]
    return OwnedObjects(
        student.id,
        owner.org,
        draft["id"],
        opened["id"],
        application["id"],
        entry["id"],
        document,
        founder["userId"],
        invitation["id"],
        session=_signed_in_session(cast),
        export=_ready_export(cast),
        api_key=asyncio.run(_store_api_key(cast, owner.id, owner.org)),
        identity=asyncio.run(_link_identity(cast, student.id)),
        passkey=asyncio.run(_add_passkey(cast, student.id)),
    )


def _signed_in_session(cast: CallerDirectory) -> str:
    """Open a session of the student's and return its ID."""
    student = cast[STUDENT].principal
    assert student is not None
    return asyncio.run(_open_session(cast, student.id))


async def _open_session(cast: CallerDirectory, user_id: str) -> str:
    async with AsyncExitStack() as closing:
        resources = await open_auth_resources(cast.stack.cluster, closing, clock=SystemClock())
        account = await AccountRepository(resources.shards).get_or_raise(user_id)
        token = RefreshToken(new_id("ses", slot_of(user_id)), secrets.token_bytes(32))
        session = start_session(user_id, account.credential, token, amr=("pwd",), now=resources.clock.now())
        await SessionRepository(resources.shards).insert(session)
        return session.id


async def _store_api_key(cast: CallerDirectory, owner_id: str, company_id: str) -> str:
    """Store a key of the owner's company and return its ID."""
    async with AsyncExitStack() as closing:
        resources = await open_auth_resources(cast.stack.cluster, closing, clock=SystemClock())
        now = resources.clock.now()
        presented = PresentedApiKey.new(company_id, now)
        scopes, life = tuple(ApiKeyScope), timedelta(days=1)
        key = ApiKey(presented.id, "hidden", scopes, presented.digest, owner_id, now, now + life)

        def decide(found: CompanyApiKeys | None) -> AggregateChange[CompanyApiKeys]:
            return AggregateChange((found or CompanyApiKeys(company_id)).with_key(key, now))

        await ApiKeyRepository(resources.shards).upsert(company_id, decide)
        return key.id


async def _link_identity(cast: CallerDirectory, user_id: str) -> str:
    """Link the student's account with an identity and return its ID."""
    async with AsyncExitStack() as closing:
        resources = await open_auth_resources(cast.stack.cluster, closing, clock=SystemClock())
        proven = ProvenIdentity("hidden", "https://login.example.edu", user_id, "hidden@example.edu")
        linked = new_linked_identity(proven, user_id, resources.clock.now())
        accounts = AccountRepository(resources.shards)
        await accounts.update(user_id, lambda found: AggregateChange(with_identity(found, linked)))
        return linked.id


def _ready_document(cast: CallerDirectory) -> str:
    fields = {"kind": "DOCUMENT_KIND_RESUME", "name": "hidden.txt"}
    begun = cast.must(STUDENT, "POST", "/api/v1/documents", json=fields)
    cast.must(
        STUDENT, "PUT", urlsplit(begun["uploadUrl"])._replace(scheme="", netloc="").geturl(), content=b"Sam"
    )
    path = f"/api/v1/documents/{begun['document']['id']}"

    def ready() -> Json | None:
        found = cast.must(STUDENT, "GET", path)
        return found if found["state"] == "DOCUMENT_STATE_READY" else None

    return str(wait_for_result(ready, "the document to be checked")["id"])


async def _add_passkey(cast: CallerDirectory, user_id: str) -> str:
    """Add a passkey to the student's account and return its ID."""
    async with AsyncExitStack() as closing:
        resources = await open_auth_resources(cast.stack.cluster, closing, clock=SystemClock())
        now = resources.clock.now()
        added = Passkey(
            new_id("pky", slot_of(user_id), at=now),
            secrets.token_bytes(32),
            b"hidden",
            0,
            False,
            False,
            "hidden",
            now,
        )
        accounts = AccountRepository(resources.shards)
        await accounts.update(user_id, lambda found: AggregateChange(with_passkey(found, added)))
        return added.id


def _ready_export(cast: CallerDirectory) -> str:
    """Return a copy of the student's data, once its notice has come, too.

    A copy that another test has asked for does as well.
    """
    cast.ask(cast.in_another_session(cast[STUDENT]), "POST", "/api/v1/data-exports", json={})

    def ready() -> Json | None:
        found = cast.must(STUDENT, "GET", "/api/v1/data-exports")["data"]
        return next((each for each in found if each["state"] == "DATA_EXPORT_STATE_READY"), None)

    def notice() -> Json | None:
        entries = cast.must(STUDENT, "GET", "/api/v1/notifications")["data"]
        return next((each for each in entries if "copy of your data" in each["title"]), None)

    found = wait_for_result(ready, "a copy of the student's data")
    wait_for_result(notice, "the notice of the copy")
    return str(found["id"])


def _newest_entry(cast: CallerDirectory, about: str) -> Json | None:
    answer = cast.ask(cast[STUDENT], "GET", "/api/v1/notifications")
    entries = [entry for entry in answer.json().get("data", []) if entry["subjectId"] == about]
    return entries[0] if len(entries) >= ENTRIES else None


def test_every_call_that_names_objects_has_its_row() -> None:
    assert {rpc.name for rpc in rpcs_with_ids()} == set(OBJECT_RIGHTS)


def line_of(lines: dict[str, RawGrpcChannel], rpc: RpcSpec) -> RawGrpcChannel:
    return lines[rpc.service.split(".")[1]]


def bytes_of(rpc: RpcSpec, fields: Any) -> bytes:
    return ParseDict(dict(fields), rpc.request_type()).SerializeToString()


def expected(rpc: RpcSpec, caller: LabelledCaller) -> set[str]:
    """Return the allowed answers to a caller who does not own the object; empty: one about their own."""
    if not caller.is_admitted(rpc):
        return {"TOKEN_MISSING" if caller.label == ANONYMOUS else "PERMISSION_DENIED"}
    # Some members of the cast have a role and no profile.
    return {"", "USER_NOT_FOUND"} if OBJECT_RIGHTS[rpc.name].leaves_out else {OBJECT_RIGHTS[rpc.name].hidden}


def belongs(rpc: RpcSpec, caller: LabelledCaller) -> bool:
    whose = OBJECT_RIGHTS[rpc.name].whose
    return whose == ANY_CALLER or caller.label in whose


def state_of(cast: CallerDirectory, known: OwnedObjects) -> dict[str, Json]:
    """Return all objects of student and owner, as they see them."""
    paths = {
        STUDENT: ["users/me", f"applications/{known.application}", "documents"],
        OWNER: [
            "companies/me",
            "companies/me/members",
            "companies/me/invitations",
            f"internships/{known.draft}",
            f"internships/{known.listing}",
            f"applications/{known.application}",
            f"internships/{known.listing}/applications",
        ],
    }
    found = {
        f"{label} {path}": cast.must(label, "GET", f"/api/v1/{path}")
        for label, all_of in paths.items()
        for path in all_of
    }
    # Not the whole inbox: late notices of earlier tests may still come.
    inbox = cast.must(STUDENT, "GET", "/api/v1/notifications")["data"]
    return found | {"student notification": next(each for each in inbox if each["id"] == known.notification)}


@pytest.mark.parametrize("rpc", rpcs_with_ids(), ids=lambda rpc: rpc.name)
def test_what_is_anothers_is_neither_seen_nor_changed(
    cast: CallerDirectory, lines: dict[str, RawGrpcChannel], known: OwnedObjects, rpc: RpcSpec
) -> None:
    right = OBJECT_RIGHTS[rpc.name]
    request = bytes_of(rpc, right.request(known))
    before = state_of(cast, known)
    for caller in [one for one in cast.everybody if not belongs(rpc, one)]:
        answer = line_of(lines, rpc).call(rpc.path, request, cast[caller.label].token)
        assert answer.reason in expected(rpc, caller), f"{caller.label}: {answer}"
        if right.leaves_out and answer.code is grpc.StatusCode.OK:
            named = set(ID.findall(str(right.request(known))))
            assert named and not named & ids_in(rpc.response_type.FromString(answer.body)), caller.label
    assert state_of(cast, known) == before


def ids_in(message: Message) -> set[str]:
    """Return all IDs in a message."""
    return set(ID.findall(str(MessageToDict(message))))


@pytest.mark.parametrize("rpc", rpcs_with_ids(), ids=lambda rpc: rpc.name)
def test_at_the_edge_other_callers_get_the_same_answer(
    cast: CallerDirectory, lines: dict[str, RawGrpcChannel], known: OwnedObjects, rpc: RpcSpec
) -> None:
    request = bytes_of(rpc, OBJECT_RIGHTS[rpc.name].request(known))
    for caller in [one for one in cast.visitors if not belongs(rpc, one)]:
        answer = lines["gateway"].call(rpc.path, request, caller.token)
        allowed = expected(rpc, caller) if rpc in edge_rpcs() else {"UNKNOWN_METHOD"}
        assert answer.reason in allowed, f"{caller.label}: {answer}"


HARMLESS: Final = ("GetApplication", "GetApplicationDocumentUrl", "GetResumeDraft")
"""Calls that read, though they are not free of side effects."""


@pytest.mark.parametrize("rpc", rpcs_with_ids(), ids=lambda rpc: rpc.name)
def test_callers_who_own_the_object_are_answered(
    cast: CallerDirectory, lines: dict[str, RawGrpcChannel], known: OwnedObjects, rpc: RpcSpec
) -> None:
    """Only of calls that change nothing; without this the other tests could pass for want of any object."""
    if not rpc.has_no_side_effects and rpc.name not in HARMLESS:
        return
    request = bytes_of(rpc, OBJECT_RIGHTS[rpc.name].request(known))
    for caller in [one for one in cast.everybody if belongs(rpc, one) and one.is_admitted(rpc)]:
        answer = line_of(lines, rpc).call(rpc.path, request, cast[caller.label].token)
        assert answer.code is grpc.StatusCode.OK, f"{caller.label}: {answer}"


GUESSED: Final[dict[str, str]] = {
    "GetCompany": "company_id",
    "GetInternship": "internship_id",
    "UpdateInternship": "internship_id",
    "PublishInternship": "internship_id",
    "CloseInternship": "internship_id",
    "ListApplicants": "internship_id",
    "GetFunnel": "internship_id",
    "SubmitApplication": "internship_id",
    "GetApplication": "application_id",
    "GetApplicationDocumentUrl": "application_id",
    "MoveApplication": "application_id",
    "WithdrawApplication": "application_id",
    "AcceptOffer": "application_id",
    "DeclineOffer": "application_id",
    "GetStudentSnapshot": "student_id",
    "GetDocument": "document_id",
    "GetResumeDraft": "document_id",
    "GetDataExport": "export_id",
    "DeleteDocument": "document_id",
    "RemoveMember": "user_id",
    "RevokeInvitation": "invitation_id",
    "ResendInvitation": "invitation_id",
    "GetAccount": "user_id",
}
"""The calls that are asked for guessed IDs, and the field that takes them."""


def guesses(true_id: str) -> Iterator[str]:
    """Yield neighbours of a true ID, and IDs without an owner."""
    yield from islice(adjacent_ids(true_id), GUESSES_PER_CALL // 2)
    yield from unknown_ids(true_id[:3], GUESSES_PER_CALL // 2)


def test_a_thousand_guessed_ids_find_nothing(
    cast: CallerDirectory, lines: dict[str, RawGrpcChannel], known: OwnedObjects
) -> None:
    asked = 0
    with ThreadPoolExecutor(MAX_CONCURRENT_GUESSES) as pool:
        for rpc in [one for one in rpcs_with_ids() if one.name in GUESSED]:
            fields = dict(OBJECT_RIGHTS[rpc.name].request(known))
            token = cast.best_for(rpc).token
            requests = [
                bytes_of(rpc, fields | {GUESSED[rpc.name]: one}) for one in guesses(fields[GUESSED[rpc.name]])
            ]
            answers = list(pool.map(lambda request: _get_object(lines, rpc, request, token), requests))  # noqa: B023
            found = {answer.reason for answer in answers}
            assert found and all(reason.endswith("_NOT_FOUND") for reason in found), (rpc.name, found)
            asked += len(answers)
    assert asked >= 900


def _get_object(lines: dict[str, RawGrpcChannel], rpc: RpcSpec, request: bytes, token: str) -> RawResponse:
    return call_patiently(line_of(lines, rpc), rpc.path, request, token)


def test_many_guesses_in_one_request_find_nothing_either(
    cast: CallerDirectory, lines: dict[str, RawGrpcChannel], known: OwnedObjects
) -> None:
    by_name = {rpc.name: rpc for rpc in rpcs_with_ids()}
    for name, field, true_id in (
        ("BatchGetIntakes", "internship_ids", known.draft),
        ("BatchGetStudentSnapshots", "student_ids", known.student),
    ):
        rpc = by_name[name]
        request = bytes_of(rpc, {field: list(islice(adjacent_ids(true_id), 64))})
        answer = line_of(lines, rpc).call(rpc.path, request, cast[SERVICE].token)
        assert answer.code is grpc.StatusCode.OK
        assert not MessageToDict(rpc.response_type.FromString(answer.body)), name
