"""The address of a shard, as somebody gives it."""

import pytest
from pymongo.uri_parser import parse_uri

from ops.errors import OpsError
from ops.shards import addresses


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("mongodb://a:1,b:2/?replicaSet=rs", "mongodb://a:1,b:2/?replicaSet=rs"),
        ("mongodb://a:1", "mongodb://a:1/"),
        ("mongodb://a:1/", "mongodb://a:1/"),
        ("mongodb://a:1/?tls=true&replicaSet=rs", "mongodb://a:1/?tls=true&replicaSet=rs"),
    ],
)
def test_an_address_is_kept_in_one_form_that_takes_a_login(given: str, kept: str) -> None:
    address = addresses.normalise_shard_uri(given)

    assert address == kept
    parsed = parse_uri(addresses.add_login_to_uri(address, "admin", "pass"))
    assert (parsed["username"], parsed["password"]) == ("admin", "pass")
    assert parsed["options"]["authSource"] == "admin"
    assert parsed["nodelist"] == parse_uri(given)["nodelist"]


@pytest.mark.parametrize(
    ("given", "complaint"),
    [
        ("127.0.0.1:27017", "begins with mongodb://"),
        ("mongodb+srv://example.com", "begins with mongodb://"),
        ("mongodb://user:secret@a:1/", "no user and no password"),
        ("mongodb://a:no/", "is no address"),
        ("mongodb://", "is no address"),
        ("mongodb://a:1/ic_user", "names no database"),
        ("mongodb://a:1/?authSource=other", "leave out authSource"),
    ],
)
def test_what_is_no_address_of_a_shard_is_refused_without_its_password(given: str, complaint: str) -> None:
    with pytest.raises(OpsError, match=complaint) as refused:
        addresses.normalise_shard_uri(given)
    assert "secret" not in str(refused.value)
