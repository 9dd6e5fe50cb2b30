"""Signing in with other providers over HTTP where the operator has set none, and how tokens are verified."""

import jwt
import pytest

from devstack.journey.client import ApiError, ApiUser

PROVIDERS = "/api/v1/auth/providers"


def refusal(visitor: ApiUser, path: str, **body: object) -> tuple[int, str]:
    with pytest.raises(ApiError) as refused:
        visitor.post(path, **body)
    return refused.value.status, refused.value.reason


def test_without_providers_there_is_none_to_sign_in_with(visitor: ApiUser) -> None:
    assert visitor.get(PROVIDERS)["data"] == []
    assert refusal(visitor, f"{PROVIDERS}/campus:begin") == (404, "PROVIDER_NOT_FOUND")
    answer = {"ticket": "bm90LW91cnM", "state": "bm90LW91cnM", "code": "x"}
    assert refusal(visitor, f"{PROVIDERS}:complete", **answer) == (401, "PROVIDER_SIGN_IN_INVALID")
    assert refusal(visitor, f"{PROVIDERS}:complete") == (400, "INVALID_FIELD")


def test_a_new_account_is_linked_with_nothing(student: ApiUser) -> None:
    assert student.get("/api/v1/auth/identities")["data"] == []


def test_a_token_is_verified_by_what_discovery_says(student: ApiUser, visitor: ApiUser) -> None:
    found = visitor.get("/.well-known/openid-configuration")
    assert found["jwks_uri"] == f"{found['issuer']}/.well-known/jwks.json"
    keys = jwt.PyJWKSet.from_dict(visitor.get("/.well-known/jwks.json"))
    kid = jwt.get_unverified_header(student.access_token)["kid"]
    claims = jwt.decode(
        student.access_token,
        keys[kid].key,
        algorithms=found["id_token_signing_alg_values_supported"],
        issuer=found["issuer"],
        audience="internshipconnect",
    )
    assert set(claims) <= set(found["claims_supported"])
