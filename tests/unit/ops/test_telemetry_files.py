"""Configuration of collectors and log shippers in other clusters: its form, and that it fits the lines."""

import json
import re
from typing import Any

import msgspec
import pytest
import yaml

from chassis.observability import logging as service_logs
from gateway.envoy import listener
from ops.paths import REPO

FOLDER = REPO / "ops" / "telemetry"
LOG_PROPERTIES = json.loads((FOLDER / "log-index-template.json").read_text())["template"]["mappings"]
NOT_SEARCHED = {"details", "flags", "service_ms", "bytes_in", "bytes_out", "traceparent", "cache", "upstream"}


def _load(name: str) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((FOLDER / name).read_text())
    return found


@pytest.mark.parametrize("name", ["otel-balancer.yaml", "otel-sampler.yaml"])
def test_each_part_of_a_pipeline_is_defined_and_used(name: str) -> None:
    config = _load(name)
    for kind in ("receivers", "processors", "exporters"):
        used = {part for pipeline in config["service"]["pipelines"].values() for part in pipeline[kind]}
        assert used == set(config[kind]), kind
    assert config["service"]["extensions"] == list(config["extensions"])


def test_the_balancer_sends_where_the_sampler_listens() -> None:
    (port,) = _load("otel-balancer.yaml")["exporters"]["loadbalancing"]["resolver"]["k8s"]["ports"]
    endpoint = _load("otel-sampler.yaml")["receivers"]["otlp"]["protocols"]["grpc"]["endpoint"]
    assert endpoint == f"0.0.0.0:{port}"


def test_failed_and_slow_traces_are_kept_and_a_share_of_the_others() -> None:
    policies = _load("otel-sampler.yaml")["processors"]["tail_sampling"]["policies"]
    by_type = {policy["type"]: policy[policy["type"]] for policy in policies}
    assert by_type["status_code"]["status_codes"] == ["ERROR"]
    assert by_type["latency"]["threshold_ms"] == 100
    assert 0 < by_type["probabilistic"]["sampling_percentage"] < 100


def test_addresses_and_secrets_come_from_the_environment() -> None:
    for path in FOLDER.glob("*.yaml"):
        for line in path.read_text().splitlines():
            if re.search(r"^\s*(host|endpoint|http_user|http_passwd|service): [^0]", line):
                assert "${" in line, f"{path.name}: {line}"


def test_log_lines_go_to_the_indexes_of_the_template() -> None:
    template = json.loads((FOLDER / "log-index-template.json").read_text())
    (output,) = _load("fluent-bit.yaml")["pipeline"]["outputs"]
    assert template["index_patterns"] == [f"{output['logstash_prefix']}-*"]
    assert output["retry_limit"] == "no_limits"


def test_lines_are_searched_by_each_field_of_a_call_and_a_request() -> None:
    calls = {field.name for field in msgspec.structs.fields(service_logs._AccessLine)}
    requests = set(listener._access_log()["typed_config"]["log_format"]["json_format"]) - NOT_SEARCHED
    assert calls | requests | {"process"} <= set(LOG_PROPERTIES["properties"])
    assert LOG_PROPERTIES["dynamic"] is False
