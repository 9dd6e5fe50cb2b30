"""Load goes to this machine only."""

import pytest

from ops.errors import OpsError
from verify.load.load_target import parse_local_target, parse_target


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("http://127.0.0.1:8080", "127.0.0.1:8080"),
        ("http://localhost:9000/", "localhost:9000"),
        ("http://127.0.0.1", "127.0.0.1:80"),
    ],
)
def test_a_gateway_of_this_machine_is_taken(url: str, address: str) -> None:
    assert parse_local_target(url).address == address


@pytest.mark.parametrize(
    "url",
    [
        *("http://api.example.com", "http://10.0.0.1:8080", "http://127.0.0.1.example.com:8080"),
        *("http://0.0.0.0:8080", "http://localhost.example.com"),
    ],
)
def test_another_host_is_refused_with_what_to_do(url: str) -> None:
    with pytest.raises(OpsError, match=r"--target: .* is not this machine.*--profile seed --render"):
        parse_local_target(url)


def test_tls_is_refused() -> None:
    with pytest.raises(OpsError, match="speak http, not https"):
        parse_local_target("https://127.0.0.1:8443")


@pytest.mark.parametrize(
    "url",
    [
        *("127.0.0.1:8080", "ftp://127.0.0.1", "http://", "http://127.0.0.1:port", "http://127.0.0.1:99999"),
        *("http://127.0.0.1/api", "http://127.0.0.1?x=1", "http://me@127.0.0.1"),
    ],
)
def test_what_is_no_gateways_url_is_refused(url: str) -> None:
    with pytest.raises(OpsError, match="--target"):
        parse_target(url)


def test_a_clusters_gateway_may_be_any_host() -> None:
    assert parse_target("https://api.example.com").url == "https://api.example.com:443"
