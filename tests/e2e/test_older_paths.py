"""The older clients' paths reach the same calls."""

import httpx
import pytest

from devstack.journey.client import ApiError, ApiUser
from devstack.journey.main_journey import JOURNEY_PASSWORD
from gateway.api_surface import OLDER_PATH_HEADERS, edge_rpcs
from tests.stack import StackHandle

OLDER = [
    pytest.param(binding.method, binding.path, id=f"{binding.method} {binding.path}")
    for rpc in edge_rpcs()
    for binding in rpc.http[1:]
    if not rpc.server_streaming
]


@pytest.mark.parametrize(("method", "path"), OLDER)
def test_an_older_path_is_known(visitor: ApiUser, method: str, path: str) -> None:
    concrete = "/".join("some-id" if "{" in part else part for part in path.split("/"))
    if ":" in path:
        concrete = f"{concrete.split(':')[0]}:{path.rsplit(':', 1)[1]}"
    try:
        visitor.call(method, concrete, body={} if method != "GET" else None)
    except ApiError as refused:
        assert refused.reason != "UNKNOWN_PATH"
        assert refused.status < 500


@pytest.mark.parametrize(("prefix", "is_older"), [("", True), ("/api", True), ("/api/v1", False)])
@pytest.mark.parametrize("query", ["", "?pageSize=51"])
def test_an_older_path_says_until_when_it_stays(
    stack: StackHandle, prefix: str, is_older: bool, query: str
) -> None:
    answer = httpx.get(f"{stack.gateway_url}{prefix}/internships{query}", trust_env=False)
    dates = (answer.headers.get("deprecation"), answer.headers.get("sunset"))
    assert dates == (OLDER_PATH_HEADERS if is_older else (None, None))


@pytest.mark.parametrize("prefix", ["/api/auth", "/auth"])
def test_older_clients_log_in_and_read_the_tokens_under_data(student: ApiUser, prefix: str) -> None:
    session = student.post(f"{prefix}/login", email=student.email, password=JOURNEY_PASSWORD)
    assert {"accessToken", "refreshToken", "expiresIn"} <= set(session["data"]["tokens"])


@pytest.mark.parametrize("prefix", ["", "/api", "/api/v1"])
def test_older_clients_read_collections_under_data(student: ApiUser, prefix: str) -> None:
    assert isinstance(student.get(f"{prefix}/internships")["data"], list)
    assert isinstance(student.get(f"{prefix}/applications")["data"], list)
