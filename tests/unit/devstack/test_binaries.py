"""Packages that overwrite each other's files are here together and all of them work."""

import importlib

import pytest

from devstack.binaries import envoy_proxy


@pytest.mark.parametrize(
    "module",
    ["envoy.service.discovery.v3.ads_pb2_grpc", "opentelemetry.exporter.otlp.proto.grpc.trace_exporter"],
)
def test_envoys_api_and_the_trace_exporter_can_be_imported_beside_each_other(module: str) -> None:
    importlib.import_module(module)


def test_the_envoy_binary_is_found_though_another_package_has_its_name() -> None:
    assert envoy_proxy().name == "envoy"
