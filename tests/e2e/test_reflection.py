"""The gateway tells gRPC clients what there is, in both versions of reflection."""

from collections.abc import Iterator

import grpc
import httpx
import pytest
from google.protobuf.descriptor_pool import DescriptorPool
from grpc_reflection.v1alpha import reflection_pb2
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase

from gateway.api_surface import edge_rpcs
from tests.stack import StackHandle

PUBLIC = {rpc.service for rpc in edge_rpcs()}


@pytest.fixture
def channel(stack: StackHandle) -> Iterator[grpc.Channel]:
    with grpc.insecure_channel(stack.gateway_url.removeprefix("http://")) as opened:
        yield opened


def test_a_client_without_stubs_finds_every_public_service_by_reflection(channel: grpc.Channel) -> None:
    database = ProtoReflectionDescriptorDatabase(channel)
    assert set(database.get_services()) == PUBLIC
    pool = DescriptorPool(database)
    for name in PUBLIC:
        assert pool.FindServiceByName(name).methods


@pytest.mark.parametrize("version", ["v1", "v1alpha"])
def test_both_versions_of_reflection_answer_while_the_stream_is_open(
    channel: grpc.Channel, version: str
) -> None:
    call = channel.stream_stream(
        f"/grpc.reflection.{version}.ServerReflection/ServerReflectionInfo",
        request_serializer=reflection_pb2.ServerReflectionRequest.SerializeToString,
        response_deserializer=reflection_pb2.ServerReflectionResponse.FromString,
    )
    asked = [
        reflection_pb2.ServerReflectionRequest(list_services=""),
        reflection_pb2.ServerReflectionRequest(file_containing_symbol="internshipconnect.auth.v1.Login"),
        reflection_pb2.ServerReflectionRequest(
            file_containing_symbol="internshipconnect.auth.v1.AuthService"
        ),
    ]
    listed, unknown, found = call(iter(asked), timeout=10.0)
    assert {service.name for service in listed.list_services_response.service} == PUBLIC
    assert unknown.error_response.error_code == grpc.StatusCode.NOT_FOUND.value[0]
    assert found.file_descriptor_response.file_descriptor_proto


def test_a_call_of_reflection_by_json_is_no_path(stack: StackHandle) -> None:

    path = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo"
    assert httpx.post(stack.gateway_url + path, json={}, trust_env=False).status_code == 404
