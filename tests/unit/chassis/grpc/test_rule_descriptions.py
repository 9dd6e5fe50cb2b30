"""Every rule of every request is broken once: the caller reads words, at a path that the caller knows."""

import re
from collections.abc import Iterator
from typing import Any, cast

import pytest
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message

from buf.validate import validate_pb2
from chassis.contracts import RpcSpec, list_services, rpcs_of_service
from chassis.errors import DomainError, Violation
from chassis.grpc.field_names import FieldNameTranslator, list_message_types
from chassis.grpc.interceptors.validation import ValidationInterceptor
from chassis.grpc.rule_descriptions import UNDESCRIBED_FORM, field_rules_of
from internshipconnect.application.v1.application_pb2 import MoveApplicationRequest
from internshipconnect.auth.v1.auth_pb2 import RegisterRequest
from internshipconnect.internship.v1.internship_pb2 import PublishInternshipRequest
from tests.fakes.interceptor_calls import respond_with, rpc, send_call

RPCS = [rpc_ for service in list_services() for rpc_ in rpcs_of_service(service)]
MACHINE_TALK = re.compile(
    r"[\\^$|*+\[\]{}]|regex|TYPE_|type\.googleapis|internshipconnect\.|_UNSPECIFIED|item\(s\)"
)
UNFITTING_TEXTS = ("x\x07", "!", "", "x y", "x\x07" * 10)
Place = tuple[tuple[str, ...], FieldDescriptor]


def _places(message: Descriptor, path: tuple[str, ...] = ()) -> Iterator[Place]:
    """Yield every field of a request, however deep, with the names that lead to it."""
    for field in message.fields:
        yield path, field
        if field.message_type and not field.message_type.full_name.startswith("google.protobuf."):
            yield from _places(field.message_type, (*path, field.name))


def _parent(request: Message, path: tuple[str, ...]) -> Any:
    message: Any = request
    for name in path:
        held = getattr(message, name)
        message = held.add() if hasattr(held, "add") else held
        message.SetInParent()
    return message


def _breaking(rules: Any, kind: str, name: str) -> Iterator[Any]:
    """Yield values at least one of which breaks the rule."""
    value = getattr(rules, name)
    if kind == "string":
        lengths = {"min_len": ["x" * (value - 1)] if name == "min_len" else [], "max_len": []}
        if name == "max_len":
            lengths["max_len"] = ["x" * (value + 1)]
        yield from lengths.get(name, UNFITTING_TEXTS)
    elif kind == "enum":
        yield from (99, 0, 3, 4)
    elif kind == "timestamp":
        yield {"seconds": value.seconds - (name == "gte")}
    elif kind in ("int32", "double"):
        yield value + {"gte": -1, "lte": 1, "gt": 0, "lt": 0}[name]
    else:
        raise AssertionError(f"no value is known that breaks {kind}.{name}: write one")


def _rules(rules: validate_pb2.FieldRules) -> Iterator[tuple[str, str, Any]]:
    for kind, set_rules in ((each.name, getattr(rules, each.name)) for each, _ in rules.ListFields()):
        if kind == "required":
            yield kind, kind, None
        elif kind not in ("ignore", "cel"):
            yield from ((kind, each.name, set_rules) for each, _ in set_rules.ListFields())


def _broken_requests(spec: RpcSpec) -> Iterator[tuple[str, Message]]:
    for path, field in _places(cast(Descriptor, spec.request_type.DESCRIPTOR)):
        for kind, name, rules in _rules(field_rules_of(field)):
            for request in _with_broken(spec, path, field, kind, name, rules):
                yield f"{'.'.join((*path, field.name))} {kind}.{name}", request


def _with_broken(
    spec: RpcSpec, path: tuple[str, ...], field: FieldDescriptor, kind: str, name: str, rules: Any
) -> Iterator[Message]:
    if kind == "repeated":
        yield from _with_broken_list(spec, path, field, name, rules)
        return
    for value in [None] if kind == "required" else _breaking(rules, kind, name):
        request = spec.request_type()
        parent = _parent(request, path)
        if value is not None:
            _put(parent, field, value)
        yield request


def _with_broken_list(
    spec: RpcSpec, path: tuple[str, ...], field: FieldDescriptor, name: str, rules: Any
) -> Iterator[Message]:
    if name == "items":
        for kind, inner, inner_rules in _rules(rules.items):
            for value in _breaking(inner_rules, kind, inner):
                yield _with_items(spec, path, field, [value])
        return
    item = getattr(spec.request_type(), field.name, None)
    empty: Any = "x" if field.type == FieldDescriptor.TYPE_STRING else {} if field.message_type else 1
    counts = {"max_items": rules.max_items + 1, "min_items": rules.min_items - 1, "unique": 2}
    assert item is not None or path
    yield _with_items(spec, path, field, [empty] * counts[name])


def _with_items(spec: RpcSpec, path: tuple[str, ...], field: FieldDescriptor, items: list[Any]) -> Message:
    request = spec.request_type()
    target = getattr(_parent(request, path), field.name)
    for item in items:
        target.add() if field.message_type else target.append(item)
    return request


def _put(parent: Any, field: FieldDescriptor, value: Any) -> None:
    if field.message_type:
        getattr(parent, field.name).seconds = value["seconds"]
    else:
        setattr(parent, field.name, value)


async def _error(spec: RpcSpec, request: Message) -> DomainError:
    with pytest.raises(DomainError) as caught:
        await send_call(ValidationInterceptor(), spec, respond_with(), request=request.SerializeToString())
    return caught.value


def _enum_names(spec: RpcSpec) -> list[str]:
    messages = list_message_types(cast(Descriptor, spec.request_type.DESCRIPTOR))
    enums = [field.enum_type for message in messages for field in message.fields if field.enum_type]
    return sorted((value.name for enum in enums for value in enum.values), key=len, reverse=True)


def _is_in(message: Descriptor, path: str, *, json: bool) -> bool:
    name, _, rest = path.partition(".")
    bare = name.partition("[")[0]
    for field in message.fields:
        if (field.json_name if json else field.name) == bare:
            return not rest or (
                field.message_type is not None and _is_in(field.message_type, rest, json=json)
            )
    return False


def _exists(spec: RpcSpec, path: str, *, over_http: bool) -> bool:
    request = cast(Descriptor, spec.request_type.DESCRIPTOR)
    body = request.fields_by_name.get(spec.body)
    in_body = body.message_type if over_http and body is not None else None
    return (in_body is not None and _is_in(in_body, path, json=True)) or _is_in(request, path, json=over_http)


def _check(spec: RpcSpec, one: Violation, *, over_http: bool) -> None:
    words = one.description
    for name in _enum_names(spec):
        words = words.replace(name, "")
    assert UNDESCRIBED_FORM not in words, (
        f"{one.field} has a pattern without words: give its field the option wants"
    )
    assert not MACHINE_TALK.search(words), words
    if words != one.description:
        assert not re.search(r"\d", words), one.description
    assert _exists(spec, one.field, over_http=over_http), one.field


@pytest.mark.parametrize("spec", RPCS, ids=lambda spec: spec.name)
async def test_every_rule_is_described_in_words_at_a_path_that_the_caller_knows(spec: RpcSpec) -> None:
    wanted, told = set(), set()
    validator, spelling = ValidationInterceptor(), FieldNameTranslator(spec)
    for rule, request in _broken_requests(spec):
        wanted.add(rule)
        try:
            await send_call(validator, spec, respond_with(), request=request.SerializeToString())
        except DomainError as error:
            if rule.split()[0] in {re.sub(r"\[\d+\]", "", one.field) for one in error.violations}:
                told.add(rule)
            for over_http in (True, False):
                for one in spelling.translate_error(error, over_http=over_http).violations:
                    _check(spec, one, over_http=over_http)
    assert told == wanted


def test_rules_over_several_fields_have_words_of_their_own() -> None:
    for spec in RPCS:
        for message in list_message_types(cast(Descriptor, spec.request_type.DESCRIPTOR)):
            for rule in message.GetOptions().Extensions[validate_pb2.message].cel:
                assert rule.message and not MACHINE_TALK.search(rule.message), rule.id
                assert "==" not in rule.message
                reported = message.fields_by_name[rule.id.rpartition(".")[2]]
                assert not {reported.name, reported.json_name} & set(re.findall(r"\w+", rule.message)), (
                    rule.id
                )


async def test_the_refusal_of_a_short_password_names_the_length_and_why() -> None:
    request = RegisterRequest(email="a@example.org", password="fourteen chars", kind=1, name="A")  # type: ignore[arg-type]
    error = await _error(rpc("auth", "Register"), request)
    assert error.violations == (
        Violation("password", "must have at least 15 characters, as it is all that proves who signs in"),
    )


async def test_an_enum_field_lists_the_names_that_it_takes() -> None:
    request = RegisterRequest(
        email="a@example.org",
        password="a long passphrase",
        kind=99,  # type: ignore[arg-type]
        name="A",
    )
    error = await _error(rpc("auth", "Register"), request)
    assert Violation("kind", "must be one of ACCOUNT_KIND_STUDENT, ACCOUNT_KIND_COMPANY") in error.violations


async def test_an_id_is_described_by_how_it_begins() -> None:
    error = await _error(rpc("internship", "PublishInternship"), PublishInternshipRequest(internship_id="1"))
    assert error.violations == (
        Violation("internship_id", "must be an ID that begins with int_ followed by 26 characters"),
    )


async def test_words_name_other_fields_in_the_spelling_of_the_caller() -> None:
    move = rpc("application", "MoveApplication")
    request = MoveApplicationRequest(application_id="app_01JD0000000000000000000000", to=4)  # type: ignore[arg-type]
    error = await _error(move, request)
    words = {
        over_http: FieldNameTranslator(move).translate_error(error, over_http=over_http).message
        for over_http in (True, False)
    }
    assert words[True].startswith("expectedState: is needed, or etag, so that")
    assert words[False].startswith("expected_state: is needed, or etag, so that")


@pytest.mark.parametrize(
    ("path", "over_http", "spelled"),
    [
        ("compensation.maxMinor", True, "compensation.maxMinor"),
        ("compensation.maxMinor", False, "internship.compensation.max_minor"),
        ("internship.compensation.max_minor", True, "compensation.maxMinor"),
        ("questions[3].choices", False, "internship.questions[3].choices"),
        ("updateMask", False, "update_mask"),
        ("Idempotency-Key", True, "Idempotency-Key"),
        ("internshipId", False, "internship_id"),
    ],
)
def test_one_place_spells_what_rules_and_domain_checks_name(path: str, over_http: bool, spelled: str) -> None:
    assert (
        FieldNameTranslator(rpc("internship", "UpdateInternship")).translate_path(path, over_http=over_http)
        == spelled
    )


def test_what_publishing_lacks_is_named_as_in_the_listing() -> None:
    publish = FieldNameTranslator(rpc("internship", "PublishInternship"))
    assert publish.translate_path("applyDeadline", over_http=False) == "apply_deadline"
    assert publish.translate_path("applyDeadline", over_http=True) == "applyDeadline"


def test_quoted_words_of_others_are_left_as_they_are() -> None:
    spelling = FieldNameTranslator(rpc("internship", "UpdateInternship"))
    assert (
        spelling.translate_text("'maxMinor' is below minMinor", over_http=False)
        == "'maxMinor' is below min_minor"
    )
