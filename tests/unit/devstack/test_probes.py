"""What a process's own answer says of its readiness."""

import pytest

from devstack.probes import probe_http
from devstack.process import ProbeResult
from tests.unit.devstack.answering_server import answering


@pytest.mark.parametrize(
    ("body", "detail"),
    [
        ('{"ready": true, "degraded": ["broker", "redis"]}', "without broker, redis"),
        ('{"ready": true, "degraded": []}', ""),
        ("ok", ""),
        ("[1]", ""),
        ('{"degraded": 1}', ""),
    ],
)
def test_a_ready_process_says_what_it_does_without(body: str, detail: str) -> None:
    with answering(200, body) as port:
        assert probe_http(port, "/ready") == ProbeResult(True, detail)


def test_a_process_that_refuses_is_not_ready_and_says_why() -> None:
    with answering(503, "no shard") as port:
        assert probe_http(port, "/ready") == ProbeResult(False, "HTTP 503 no shard")
