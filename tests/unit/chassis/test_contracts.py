"""Walks every contract: what one must declare, none may lack."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import grpc
import pytest
from google.api.httpbody_pb2 import HttpBody
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.descriptor_pb2 import FileDescriptorSet

import internshipconnect
from buf.validate import validate_pb2
from chassis.contracts import (
    ContractError,
    Contracts,
    RpcSpec,
    error_reasons,
    event_class,
    event_classes,
    event_type,
    find_rpc,
    list_services,
    rpcs_of_service,
)
from chassis.grpc.field_names import list_message_types
from chassis.grpc.interceptors.validation import ValidationInterceptor
from internshipconnect.auth.v1 import auth_pb2
from internshipconnect.errors.v1 import reason_pb2
from internshipconnect.options.v1 import options_pb2

DESCRIPTOR_SET = Path(next(iter(internshipconnect.__path__))).with_name("internshipconnect.binpb")
RPCS = [rpc for service in list_services() for rpc in rpcs_of_service(service)]
INTEGERS_OF_64_BITS = (
    FieldDescriptor.TYPE_INT64,
    FieldDescriptor.TYPE_UINT64,
    FieldDescriptor.TYPE_SINT64,
    FieldDescriptor.TYPE_FIXED64,
    FieldDescriptor.TYPE_SFIXED64,
)
GO_WITHOUT_SAYING = {"INVALID_FIELD", "MALFORMED_REQUEST", "TOKEN_MISSING", "TOKEN_INVALID", "INTERNAL"}
every_rpc = pytest.mark.parametrize(
    "rpc", RPCS, ids=lambda rpc: rpc.full_name.removeprefix("internshipconnect.")
)


def request_fields(rpc: RpcSpec) -> Iterator[FieldDescriptor]:
    return (field for message in own_messages(rpc.request_type.DESCRIPTOR) for field in message.fields)


def own_messages(root: object) -> list[Descriptor]:
    found = list_message_types(cast(Descriptor, root))
    return [message for message in found if not message.full_name.startswith("google.")]


def rules_of(field: FieldDescriptor) -> validate_pb2.FieldRules:
    return field.GetOptions().Extensions[validate_pb2.field]


def item_rules_of(field: FieldDescriptor) -> validate_pb2.FieldRules:
    rules = rules_of(field)
    return rules.repeated.items if field.is_repeated else rules


def is_bounded(rules: validate_pb2.StringRules) -> bool:
    return bool(rules.max_len or (rules.pattern and not re.search(r"[*+]|,}", rules.pattern)))


def test_there_is_a_contract_for_each_of_the_six_services() -> None:
    names = {service.full_name.split(".")[1] for service in list_services()}
    assert sorted(names) == ["analytics", "application", "auth", "internship", "notification", "user"]


@every_rpc
def test_every_rpc_says_who_may_call_how_often_and_what_a_repeat_does(rpc: RpcSpec) -> None:
    assert rpc.callers and "UNSPECIFIED" not in rpc.callers
    assert rpc.policy.rate_limit != options_pb2.RATE_LIMIT_CLASS_UNSPECIFIED
    assert rpc.policy.idempotency != options_pb2.IDEMPOTENCY_UNSPECIFIED


@every_rpc
def test_every_rpc_has_a_deadline_unless_it_streams(rpc: RpcSpec) -> None:
    assert (rpc.policy.deadline_ms == 0) == rpc.server_streaming


@every_rpc
def test_every_rpc_has_an_http_rule_unless_only_services_call_it_or_it_streams_messages(
    rpc: RpcSpec,
) -> None:
    """Over HTTP a stream is server-sent events, for which there is a call of its own."""
    streams_messages = rpc.server_streaming and rpc.response_type is not HttpBody
    assert bool(rpc.http) == (rpc.callers != {"SERVICE"} and not streams_messages)


@every_rpc
def test_a_ticket_is_a_field_of_a_stream_and_stands_in_for_a_token(rpc: RpcSpec) -> None:
    if rpc.policy.ticket:
        assert rpc.server_streaming and not rpc.is_public
        # Logs know by the name which parameter is a secret.
        assert "ticket" in rpc.policy.ticket
        assert (
            rpc.request_type.DESCRIPTOR.fields_by_name[rpc.policy.ticket].type == FieldDescriptor.TYPE_STRING
        )


@every_rpc
def test_every_rpc_under_api_v1_is_reachable_at_the_older_path_too(rpc: RpcSpec) -> None:
    if not rpc.http or not rpc.http[0].path.startswith("/api/v1/"):
        return
    older = rpc.http[0].path.replace("/api/v1/", "/api/")
    assert (rpc.http[0].method, older) in [(binding.method, binding.path) for binding in rpc.http[1:]]
    assert {binding.body for binding in rpc.http} == {rpc.body}


@every_rpc
def test_a_shared_cache_keeps_only_public_answers_of_calls_without_side_effects(rpc: RpcSpec) -> None:
    if rpc.policy.shared_cache_s:
        assert rpc.is_public
        assert rpc.policy.idempotency == options_pb2.IDEMPOTENCY_NO_SIDE_EFFECTS


@every_rpc
def test_an_idempotency_key_is_taken_only_from_callers_who_are_signed_in(rpc: RpcSpec) -> None:
    if rpc.policy.idempotency == options_pb2.IDEMPOTENCY_KEY:
        assert not rpc.is_public


@every_rpc
def test_only_calls_that_take_a_key_store_the_answer_in_the_change(rpc: RpcSpec) -> None:
    if rpc.policy.answer_in_change:
        assert rpc.policy.idempotency == options_pb2.IDEMPOTENCY_KEY


@every_rpc
def test_every_string_of_a_request_has_a_bound(rpc: RpcSpec) -> None:
    for field in request_fields(rpc):
        if field.type == FieldDescriptor.TYPE_STRING:
            assert is_bounded(item_rules_of(field).string), field.full_name


@every_rpc
def test_every_enum_of_a_request_takes_defined_values_only(rpc: RpcSpec) -> None:
    for field in request_fields(rpc):
        if field.type == FieldDescriptor.TYPE_ENUM:
            enum = item_rules_of(field).enum
            assert enum.defined_only or getattr(enum, "in"), field.full_name


@every_rpc
def test_every_list_of_a_request_has_a_bound(rpc: RpcSpec) -> None:
    for field in request_fields(rpc):
        if field.is_repeated:
            assert rules_of(field).repeated.max_items, field.full_name


@every_rpc
def test_no_public_message_has_64_bit_integers_which_json_turns_into_strings(rpc: RpcSpec) -> None:
    if not rpc.http:
        return
    for message in own_messages(rpc.request_type.DESCRIPTOR) + own_messages(rpc.response_type.DESCRIPTOR):
        for field in message.fields:
            assert field.type not in INTEGERS_OF_64_BITS, field.full_name


@every_rpc
def test_every_rule_over_a_whole_message_names_the_field_it_is_reported_on(rpc: RpcSpec) -> None:
    for message in own_messages(rpc.request_type.DESCRIPTOR):
        for rule in message.GetOptions().Extensions[validate_pb2.message].cel:
            assert rule.id.rpartition(".")[2] in message.fields_by_name, rule.id


@every_rpc
def test_every_rule_compiles(rpc: RpcSpec) -> None:
    async def proceed(_request: object, _context: object) -> bytes:
        return b""

    ValidationInterceptor().bind(rpc, proceed)


@every_rpc
def test_every_declared_reason_is_in_the_table_and_not_one_that_goes_without_saying(rpc: RpcSpec) -> None:
    for number in rpc.policy.errors:
        name = reason_pb2.Reason.Name(number).removeprefix("REASON_")
        assert name in error_reasons()
        assert name not in GO_WITHOUT_SAYING


def test_every_reason_has_a_code_and_says_what_to_do() -> None:
    for reason in error_reasons().values():
        assert reason.code is not grpc.StatusCode.OK
        assert reason.help.endswith(".")
        assert 400 <= reason.http_status <= 504


def test_events_are_found_by_their_names_and_names_by_their_events() -> None:
    assert len(event_classes()) >= 16
    for name, kind in event_classes().items():
        assert event_type(kind) == event_type(kind()) == name
        assert event_class(name) is kind
        assert len(name.split(".")) == 3


def test_a_message_that_is_no_event_has_no_event_type() -> None:
    with pytest.raises(ContractError, match="LoginRequest is not an event"):
        event_type(auth_pb2.LoginRequest)


def test_an_unknown_event_name_is_refused() -> None:
    with pytest.raises(ContractError, match="no contract declares"):
        event_class("auth.user.invented")


def test_a_call_is_found_by_its_path() -> None:
    found = find_rpc("/internshipconnect.auth.v1.AuthService/Login")
    assert found is not None
    assert (found.name, found.body, found.request_type) == ("Login", "*", auth_pb2.LoginRequest)
    assert find_rpc("/internshipconnect.auth.v1.AuthService/Invented") is None


def test_contracts_read_from_a_file_declare_what_the_imported_ones_declare() -> None:
    read = Contracts.from_descriptor_set(DESCRIPTOR_SET.read_bytes())
    assert [service.full_name for service in read.services] == [one.full_name for one in list_services()]
    assert [(rpc.path, rpc.policy, rpc.http, rpc.callers) for rpc in read.rpcs] == [
        (rpc.path, rpc.policy, rpc.http, rpc.callers) for rpc in RPCS
    ]
    assert read.reasons == error_reasons()
    assert set(read.event_classes) == set(event_classes())


def test_contracts_read_from_a_file_are_of_a_pool_of_their_own() -> None:
    read = Contracts.from_descriptor_set(DESCRIPTOR_SET.read_bytes())
    assert read.rpcs[0].request_type is not RPCS[0].request_type
    assert read.rpcs[0].request_type().SerializeToString() == b""


def test_a_new_call_is_found_in_a_changed_file_without_importing_it() -> None:
    files = FileDescriptorSet.FromString(DESCRIPTOR_SET.read_bytes())
    service = next(file for file in files.file if file.name.endswith("auth.proto")).service[0]
    service.method.add().MergeFrom(service.method[0])
    service.method[-1].name = "Invented"
    read = Contracts.from_descriptor_set(files.SerializeToString())
    assert f"/internshipconnect.auth.v1.{service.name}/Invented" in {rpc.path for rpc in read.rpcs}


def test_a_set_of_descriptors_can_be_written_out_and_read_again() -> None:
    written = Contracts.from_descriptor_set(DESCRIPTOR_SET.read_bytes()).descriptor_set
    assert [rpc.full_name for rpc in Contracts.from_descriptor_set(written).rpcs] == [
        rpc.full_name for rpc in RPCS
    ]


@pytest.mark.parametrize("content", [b"\xff\xff", FileDescriptorSet.FromString(b"").SerializeToString()])
def test_bytes_that_are_no_descriptors_declare_nothing_or_are_refused(content: bytes) -> None:
    try:
        assert Contracts.from_descriptor_set(content).rpcs == ()
    except ContractError as error:
        assert "descriptors" in str(error)


def test_descriptors_without_their_imports_are_refused_by_name() -> None:
    files = FileDescriptorSet.FromString(DESCRIPTOR_SET.read_bytes())
    alone = FileDescriptorSet(file=[file for file in files.file if file.name.endswith("auth.proto")])
    with pytest.raises(ContractError, match="imports"):
        Contracts.from_descriptor_set(alone.SerializeToString())
