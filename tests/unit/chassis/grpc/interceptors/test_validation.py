import asyncio
import time
from collections.abc import Awaitable
from functools import cache
from typing import Any

import pytest
from google.protobuf.message import Message
from hypothesis import given
from hypothesis import strategies as st

from chassis.call_context import CallContext, bind_call
from chassis.contracts import DEFAULT_MAX_REQUEST_BYTES, RpcSpec
from chassis.errors import DomainError
from chassis.grpc.field_names import FieldNameTranslator
from chassis.grpc.handlers import RpcContext
from chassis.grpc.interceptors.validation import ValidationInterceptor, ValidRequests
from internshipconnect.application.v1.application_pb2 import Answer, SubmitApplicationRequest
from internshipconnect.auth.v1.auth_pb2 import LoginRequest, RegisterRequest
from internshipconnect.common.v1.common_pb2 import ACCOUNT_KIND_COMPANY, ACCOUNT_KIND_STUDENT, AccountKind
from internshipconnect.internship.v1.internship_pb2 import (
    QUESTION_KIND_TEXT,
    Compensation,
    CreateInternshipRequest,
    GetInternshipRequest,
    Internship,
    ListInternshipsRequest,
    Question,
    SkillNeed,
    UpdateInternshipRequest,
)
from internshipconnect.notification.v1.notification_pb2 import MarkReadRequest
from tests.fakes.grpc_context import FakeGrpcContext
from tests.fakes.interceptor_calls import respond_with, rpc, send_call

INTERNSHIP_ID = "int_01JD0000000000000000000000"
CREATE = rpc("internship", "CreateInternship")


async def refused(spec: RpcSpec, request: Message | bytes) -> DomainError:
    raw = request if isinstance(request, bytes) else request.SerializeToString()
    with pytest.raises(DomainError) as caught:
        await send_call(ValidationInterceptor(), spec, respond_with(), request=raw)
    return caught.value


async def fields(spec: RpcSpec, request: Message, *, over_http: bool = True) -> list[str]:
    error = FieldNameTranslator(spec).translate_error(await refused(spec, request), over_http=over_http)
    assert error.reason == "INVALID_FIELD"
    return [violation.field for violation in error.violations]


async def test_a_good_request_arrives_parsed() -> None:
    async def show(request: Any, _context: RpcContext) -> bytes:
        return str(request.internship_id).encode()

    raw = GetInternshipRequest(internship_id=INTERNSHIP_ID).SerializeToString()
    assert (
        await send_call(ValidationInterceptor(), rpc("internship", "GetInternship"), show, request=raw)
        == INTERNSHIP_ID.encode()
    )


async def test_every_broken_field_is_named_in_the_spelling_of_json() -> None:
    request = ListInternshipsRequest(country="Germany", min_duration_weeks=-1, skills=["ok", "x" * 61])
    found = await fields(rpc("internship", "ListInternships"), request)
    assert found == ["skills[1]", "minDurationWeeks", "country"]


async def test_fields_of_the_http_body_are_named_as_in_the_body() -> None:
    request = CreateInternshipRequest(
        internship=Internship(
            title="x" * 161, questions=[Question(id="NO", kind=QUESTION_KIND_TEXT, text="?")]
        )
    )
    assert await fields(CREATE, request) == ["title", "questions[0].id"]


async def test_grpc_callers_read_the_names_of_the_request_message() -> None:
    request = CreateInternshipRequest(internship=Internship(apply_deadline={"seconds": -1}))  # type: ignore[arg-type]
    assert await fields(CREATE, request, over_http=False) == ["internship.apply_deadline"]


async def test_a_missing_body_is_named_itself() -> None:
    assert await fields(CREATE, CreateInternshipRequest()) == ["internship"]


async def test_fields_of_the_path_keep_their_names_beside_a_body() -> None:
    request = UpdateInternshipRequest(internship_id="nonsense", internship=Internship(title="t"))
    assert await fields(rpc("internship", "UpdateInternship"), request) == ["internshipId"]


async def test_a_field_within_a_list_within_a_whole_body_is_named_in_full() -> None:
    request = SubmitApplicationRequest(internship_id=INTERNSHIP_ID, answers=[Answer(question_id="Not good")])
    assert await fields(rpc("application", "SubmitApplication"), request) == ["answers[0].questionId"]


@pytest.mark.parametrize(
    ("spec", "request_", "field"),
    [
        (
            rpc("auth", "Register"),
            RegisterRequest(email="a@example.org", password="long enough for all", kind=2, name="A"),  # type: ignore[arg-type]
            "companyName",
        ),
        (rpc("notification", "MarkRead"), MarkReadRequest(), "notificationIds"),
        (rpc("internship", "ListInternships"), ListInternshipsRequest(near_lat=1.0), "nearLat"),
        (rpc("internship", "ListInternships"), ListInternshipsRequest(near_lng=1.0), "nearLat"),
        (rpc("internship", "ListInternships"), ListInternshipsRequest(sort=5), "nearLat"),  # type: ignore[arg-type]
    ],
)
async def test_a_rule_over_several_fields_is_reported_on_one(
    spec: RpcSpec, request_: Message, field: str
) -> None:
    assert await fields(spec, request_) == [field]


async def test_one_fault_of_a_value_is_one_violation() -> None:
    for amount in (1e300, float("inf"), float("nan"), -1.0):
        pay = Compensation(paid=True, min_minor=amount, currency="EUR")
        too_large = CreateInternshipRequest(internship=Internship(compensation=pay))
        assert await fields(CREATE, too_large) == ["compensation.minMinor"]
    fraction = Compensation(paid=True, min_minor=1.5, currency="EUR")
    assert await fields(CREATE, CreateInternshipRequest(internship=Internship(compensation=fraction))) == [
        "compensation.minMinor"
    ]
    assert await fields(rpc("internship", "ListInternships"), ListInternshipsRequest(country="x" * 61)) == [
        "country"
    ]


@pytest.mark.parametrize(
    ("kind", "company_name", "words"),
    [
        (ACCOUNT_KIND_COMPANY, "", "is needed for a company account"),
        (ACCOUNT_KIND_STUDENT, "Acme", "must be empty for a student"),
    ],
)
@pytest.mark.parametrize(("over_http", "name"), [(True, "companyName"), (False, "company_name")])
async def test_a_company_name_that_is_missing_or_too_many_is_named_once_as_the_caller_spells_it(
    kind: AccountKind.ValueType, company_name: str, words: str, over_http: bool, name: str
) -> None:
    spec = rpc("auth", "Register")
    request = RegisterRequest(
        email="a@example.org", password="long enough for all", kind=kind, name="A", company_name=company_name
    )
    error = FieldNameTranslator(spec).translate_error(await refused(spec, request), over_http=over_http)
    assert error.message == f"{name}: {words}"


async def test_control_characters_and_nul_are_refused() -> None:
    for character in "\x00\x07\x1b\x7f":
        assert await fields(
            CREATE, CreateInternshipRequest(internship=Internship(title=f"a{character}b"))
        ) == ["title"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            "invoice\u202efdp.exe",
            "must not hold the invisible character RIGHT-TO-LEFT OVERRIDE, "
            "which turns the direction of the text: remove it",
        ),
        (
            "\u2067Acme\u2069",
            "must not hold the invisible character RIGHT-TO-LEFT ISOLATE, "
            "which turns the direction of the text: remove it",
        ),
        (
            "one\u2028two",
            "must not hold the invisible character LINE SEPARATOR, which breaks the line: remove it",
        ),
        ("\ufeffAcme", "must not hold the invisible character ZERO WIDTH NO-BREAK SPACE: remove it"),
        ("a\u2065b", "must not hold the invisible character U+2065: remove it"),
        ("\u202ea\x07", "must be text on one line, without control characters"),
        ("\u202ea\n", "must be text on one line, without control characters"),
        ("a\x85b", "must be text on one line, without control characters"),
    ],
    ids=ascii,
)
async def test_a_name_without_the_character_that_nobody_sees_is_asked_for(text: str, words: str) -> None:
    listing = Internship(title=text, skills=[SkillNeed(name=text)], questions=[a_question(text)])
    error = await refused(CREATE, CreateInternshipRequest(internship=listing))
    assert {violation.description for violation in error.violations} == {words}
    assert {violation.field for violation in error.violations} == {
        *("internship.title", "internship.skills[0].name"),
        *("internship.questions[0].text", "internship.questions[0].choices[0]"),
    }
    company = RegisterRequest(
        email="a@example.org",
        password="long enough for all",
        kind=ACCOUNT_KIND_COMPANY,
        name=text,
        company_name=text,
    )
    assert await fields(rpc("auth", "Register"), company) == ["name", "companyName"]


@pytest.mark.parametrize(
    "text",
    [
        "\u0646\u0627\u0645\u0647\u200c\u0647\u0627",
        "\u0915\u094d\u200d\u0937",
        "\U0001f468\u200d\U0001f469\u200d\U0001f467",
        "\U0001f3f4\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f",
        "\u05d0\u05d1\u200f (C++)\u200e",
        "so\u00adft \u2764\ufe0f\u202f!",
        "\u1780\u200b\u1781",
    ],
    ids=ascii,
)
async def test_joiners_and_marks_that_words_are_written_with_pass(text: str) -> None:
    listing = Internship(title=text, skills=[SkillNeed(name=text)], questions=[a_question(text)])
    raw = CreateInternshipRequest(internship=listing).SerializeToString()
    assert await send_call(ValidationInterceptor(), CREATE, respond_with(), request=raw) is not None


async def test_who_searches_may_paste_what_nobody_sees() -> None:
    pasted = "\u2068python\u2069\ufeff"
    search = ListInternshipsRequest(q=pasted, city=pasted, field=pasted, skills=[pasted])
    raw = search.SerializeToString()
    spec = rpc("internship", "ListInternships")
    assert await send_call(ValidationInterceptor(), spec, respond_with(), request=raw) is not None


def a_question(text: str) -> Question:
    return Question(id="a", kind=QUESTION_KIND_TEXT, text=text, choices=[text, "no"])


async def test_an_enum_value_that_does_not_exist_is_refused() -> None:
    request = CreateInternshipRequest(internship=Internship(work_mode=99))  # type: ignore[arg-type]
    assert await fields(CREATE, request) == ["workMode"]


@pytest.mark.parametrize("raw", [b"\xff\xff\xff", b"\x0a\x05abc", b"\x0a\x02\xff\xfe"])
async def test_bytes_that_are_no_such_message_are_refused(raw: bytes) -> None:
    assert (await refused(rpc("auth", "Login"), raw)).reason == "MALFORMED_REQUEST"


_UNKNOWN_FIELD = b"\xfa\x7f\x01x"
_GET_REQUESTS = [
    GetInternshipRequest(internship_id=internship_id).SerializeToString() + suffix
    for internship_id in (INTERNSHIP_ID, "", "int_x", " ", INTERNSHIP_ID + "\u0301", "\u200b")
    for suffix in (b"", _UNKNOWN_FIELD, _UNKNOWN_FIELD * 100, b"\xff")
]


async def _show(request: Any, _context: RpcContext) -> bytes:
    return bytes(request.SerializeToString())


async def _outcome(call: Awaitable[object]) -> object:
    try:
        return await call
    except DomainError as error:
        return error.reason, error.violations


@cache
def _first_outcome(request: bytes) -> object:
    """Return the outcome at an interceptor that remembers nothing."""
    call = send_call(ValidationInterceptor(), rpc("internship", "GetInternship"), _show, request=request)
    return asyncio.run(_outcome(call))


@given(st.lists(st.sampled_from(_GET_REQUESTS), max_size=12))
def test_requests_that_are_remembered_as_valid_are_answered_as_before(requests: list[bytes]) -> None:
    remembering = ValidationInterceptor().bind(rpc("internship", "GetInternship"), _show)

    async def send_each() -> list[object]:
        found = []
        for request in requests:
            bind_call(CallContext())
            found.append(await _outcome(remembering(request, FakeGrpcContext().as_context())))
        return found

    assert asyncio.run(send_each()) == [_first_outcome(request) for request in requests]


def test_the_remembered_requests_are_bounded_in_number_and_size() -> None:
    known = ValidRequests()
    known.remember(b"x" * 257)
    assert len(known) == 0
    for number in range(10_000):
        known.remember(b"%d" % number)
    assert 0 < len(known) <= 4_096


async def test_a_request_that_is_too_large_is_refused_before_it_is_parsed() -> None:
    error = await refused(rpc("auth", "Login"), b"\xff" * (DEFAULT_MAX_REQUEST_BYTES + 1))
    assert error.reason == "PAYLOAD_TOO_LARGE"


async def test_a_list_of_very_many_is_refused_before_its_items_are_looked_at() -> None:
    request = SubmitApplicationRequest(internship_id="nonsense", answers=[Answer()] * 100_000)
    began = time.thread_time()
    error = await refused(rpc("application", "SubmitApplication"), request)
    assert time.thread_time() - began < 1.0
    assert [(one.field, one.description) for one in error.violations] == [
        ("answers", "must have at most 20 items")
    ]


async def test_a_list_within_a_list_is_bounded_too_and_named_as_in_the_body() -> None:
    crowded = Question(id="q", kind=QUESTION_KIND_TEXT, text="?", choices=["x"] * 31)
    request = CreateInternshipRequest(internship=Internship(questions=[Question(), crowded]))
    assert await fields(CREATE, request) == ["questions[1].choices"]


async def test_a_mask_of_very_many_paths_is_refused() -> None:
    request = UpdateInternshipRequest(internship_id=INTERNSHIP_ID, internship=Internship(title="t"))
    request.update_mask.paths.extend(f"p{number}" for number in range(100_000))
    assert await fields(rpc("internship", "UpdateInternship"), request) == ["updateMask"]


async def test_fields_that_this_version_does_not_know_are_ignored() -> None:
    raw = LoginRequest(email="a@example.org", password="p").SerializeToString() + b"\xf8\x3f\x01"
    assert (
        await send_call(ValidationInterceptor(), rpc("auth", "Login"), respond_with(), request=raw)
        == b"answer"
    )


@pytest.mark.parametrize(
    "unseen", [" ", "\u200b", "\u3164", "\u2800", "\u0301", "\U000e0041", "\u2028"], ids=ascii
)
async def test_what_shows_nothing_is_missing_wherever_a_text_is_demanded(unseen: str) -> None:
    def registration(**texts: str) -> RegisterRequest:
        given: Any = {"email": "a@example.org", "password": "long enough it is", "name": "A"} | texts
        return RegisterRequest(kind=ACCOUNT_KIND_STUDENT, **given)

    company = registration(company_name=unseen)
    company.kind = ACCOUNT_KIND_COMPANY
    assert await fields(rpc("auth", "Register"), registration(name=unseen)) == ["name"]
    assert await fields(rpc("auth", "Register"), registration(email=unseen)) == ["email"]
    assert await fields(rpc("auth", "Register"), registration(password=unseen * 12)) == ["password"]
    assert await fields(rpc("auth", "Register"), company) == ["companyName"]
    question = Question(id="q", kind=QUESTION_KIND_TEXT, text=unseen)
    listing = Internship(questions=[question], qualifications=["good", unseen])
    assert await fields(CREATE, CreateInternshipRequest(internship=listing)) == [
        "qualifications[1]",
        "questions[0].text",
    ]


async def test_text_arrives_in_its_composed_form_however_deep_it_lies() -> None:
    async def show(request: Any, _context: RpcContext) -> bytes:
        held = request.internship
        return f"{held.title}|{held.qualifications[0]}|{held.questions[0].text}|{held.company.name}".encode()

    loose = "Ame\u0301lie \u1112\u1161\u11ab"
    listing = Internship(
        title=loose, qualifications=[loose], questions=[Question(id="q", kind=QUESTION_KIND_TEXT, text=loose)]
    )
    raw = CreateInternshipRequest(internship=listing).SerializeToString()
    answer = await send_call(ValidationInterceptor(), CREATE, show, request=raw)
    assert answer.decode() == "Am\u00e9lie \ud55c|Am\u00e9lie \ud55c|Am\u00e9lie \ud55c|"
