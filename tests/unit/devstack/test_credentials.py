"""Secrets of a stack."""

import json
import stat
from pathlib import Path

import jwt

from devstack.credentials import Credentials, service_jwks_path, service_key_path
from devstack.service_keys import ensure_service_keys
from devstack.topology import Topology


def _mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_secrets_stay_the_same_from_one_start_to_the_next(stack: Topology) -> None:
    assert Credentials.load_or_create(stack).model_dump() == Credentials.load_or_create(stack).model_dump()


def test_secrets_are_readable_by_their_owner_alone(stack: Topology) -> None:
    Credentials.load_or_create(stack)
    ensure_service_keys(stack, ["auth"])

    assert _mode(stack.secrets_folder / "secrets.json") == 0o600
    assert _mode(service_key_path(stack, "auth")) == 0o600


def test_secrets_do_not_show_when_they_are_printed(stack: Topology) -> None:
    secrets = Credentials.load_or_create(stack)

    assert secrets.redis_password not in repr(secrets)
    assert secrets.services["auth"].data_key not in repr(secrets)


def test_every_service_has_a_password_and_a_data_key_of_its_own(stack: Topology) -> None:
    services = Credentials.load_or_create(stack).services.values()

    assert len({own.mongo_password for own in services}) == 6
    assert len({own.data_key for own in services}) == 6


def test_a_token_signed_with_a_services_key_verifies_by_its_kid_in_the_jwks(stack: Topology) -> None:
    ensure_service_keys(stack, ["auth", "user"])
    key = service_key_path(stack, "user").read_text()
    token = jwt.encode({"sub": "svc"}, key, algorithm="ES256", headers={"kid": "svc-user"})

    published = {entry["kid"]: entry for entry in json.loads(service_jwks_path(stack).read_text())["keys"]}

    assert published.keys() == {"svc-auth", "svc-user"}
    assert "d" not in published["svc-user"]
    assert jwt.decode(token, jwt.PyJWK(published["svc-user"]), algorithms=["ES256"]) == {"sub": "svc"}
