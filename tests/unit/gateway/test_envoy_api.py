"""Packages that overwrite each other's files are here together and all of them work."""

from ops.stack.binaries import envoy_proxy


def test_envoys_api_lives_beside_the_newer_files_of_the_trace_exporter() -> None:
    from envoy.service.discovery.v3 import ads_pb2_grpc
    from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter

    assert ads_pb2_grpc.AggregatedDiscoveryServiceStub
    assert OTLPSpanExporter


def test_the_envoy_binary_is_found_though_another_package_has_its_name() -> None:
    assert envoy_proxy().name == "envoy"
