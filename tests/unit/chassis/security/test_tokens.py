import base64
import json
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ec import (
    SECP256R1,
    EllipticCurvePrivateKey,
    generate_private_key,
)
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from chassis.call_context import Principal
from chassis.errors import DomainError
from chassis.security.jwks import StaticKeySource
from chassis.security.service_identity import ServiceIdentity
from chassis.security.tokens import OLDER_ISSUER, TokenVerifier

USER_KEY = generate_private_key(SECP256R1())
SERVICE_KEY = generate_private_key(SECP256R1())
FOREIGN_KEY = generate_private_key(SECP256R1())
ISSUER = "https://api.example.com"


def claims(**changed: Any) -> dict[str, Any]:
    now = int(time.time())
    whole = {
        "iss": ISSUER,
        "aud": "internshipconnect",
        "sub": "usr_1",
        "sid": "ses_1",
        "kind": "COMPANY",
        "role": "OWNER",
        "org": "cmp_1",
        "plan": "PRO",
        "amr": ["pwd"],
        "auth_time": now,
        "email_verified": True,
        "iat": now,
        "exp": now + 900,
    }
    return {name: value for name, value in (whole | changed).items() if value is not None}


def signed(
    payload: dict[str, Any], key: EllipticCurvePrivateKey = USER_KEY, kid: str | None = "user-1"
) -> str:
    # Below `jwt.encode`, which would check the claims itself.
    headers = {"kid": kid} if kid else None
    return jwt.PyJWS().encode(json.dumps(payload).encode(), key, "ES256", headers)


def unsafely_encoded(header: dict[str, Any], payload: dict[str, Any], signature: bytes = b"") -> str:
    parts = [json.dumps(header).encode(), json.dumps(payload).encode(), signature]
    return ".".join(base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts)


@pytest.fixture
def verifier() -> TokenVerifier:
    return TokenVerifier(
        users=StaticKeySource({"user-1": USER_KEY.public_key(), "svc-sneaky": USER_KEY.public_key()}),
        services=StaticKeySource({"svc-application": SERVICE_KEY.public_key()}),
        issuer=ISSUER,
    )


async def reason(verifier: TokenVerifier, token: str) -> str:
    with pytest.raises(DomainError) as caught:
        await verifier.verify(token)
    return caught.value.reason


async def test_a_good_token_carries_everything_about_its_caller(verifier: TokenVerifier) -> None:
    payload = claims()
    assert await verifier.verify(signed(payload)) == Principal(
        id="usr_1",
        kind="COMPANY",
        role="OWNER",
        org="cmp_1",
        plan="PRO",
        session_id="ses_1",
        email_verified=True,
        auth_time=payload["auth_time"],
        amr=("pwd",),
        expires_at=payload["exp"],
    )


async def test_a_service_s_own_token_says_that_a_service_calls(verifier: TokenVerifier) -> None:
    token = ServiceIdentity("application", SERVICE_KEY).token()
    principal = await verifier.verify(token)
    assert (principal.id, principal.kind, principal.session_id) == ("application", "SERVICE", "")


@pytest.mark.parametrize("minutes", [-5, 5])
async def test_tokens_count_that_were_made_by_a_clock_minutes_off_ours(
    verifier: TokenVerifier, monkeypatch: pytest.MonkeyPatch, minutes: int
) -> None:
    there = time.time() + minutes * 60
    of_user = signed(claims(iat=int(there), exp=int(there) + 900))
    monkeypatch.setattr("chassis.security.service_identity.time.time", lambda: there)
    of_service = ServiceIdentity("application", SERVICE_KEY).token()
    monkeypatch.undo()
    assert (await verifier.verify(of_user)).id == "usr_1"
    assert (await verifier.verify(of_service)).id == "application"


async def test_an_expired_token_is_distinguished_from_a_bad_one(verifier: TokenVerifier) -> None:
    assert await reason(verifier, signed(claims(exp=int(time.time()) - 60))) == "TOKEN_EXPIRED"


async def test_a_remembered_token_expires_all_the_same(
    verifier: TokenVerifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = signed(claims(exp=int(time.time()) - 3))
    assert (await verifier.verify(token)).id == "usr_1"
    monkeypatch.setattr("chassis.security.tokens._CLOCK_SKEW_S", 0)
    assert await reason(verifier, token) == "TOKEN_EXPIRED"


@pytest.mark.parametrize(
    "changed",
    [
        {"iss": "somebody-else"},
        {"iss": f"{ISSUER}/"},
        {"iss": [ISSUER]},
        {"aud": "somebody-else"},
        {"aud": None},
        {"iss": None},
        {"sub": None},
        {"kind": None},
        {"iat": None},
        {"exp": None},
        {"exp": "soon"},
    ],
    ids=str,
)
async def test_a_token_with_other_claims_than_ours_is_refused(
    verifier: TokenVerifier, changed: dict[str, Any]
) -> None:
    assert await reason(verifier, signed(claims(**changed))) == "TOKEN_INVALID"


async def test_a_forged_signature_is_refused(verifier: TokenVerifier) -> None:
    assert await reason(verifier, signed(claims(), FOREIGN_KEY)) == "TOKEN_INVALID"


async def test_a_changed_payload_is_refused(verifier: TokenVerifier) -> None:
    header, _, signature = signed(claims()).split(".")
    other = signed(claims(sub="usr_2"), FOREIGN_KEY).split(".")[1]
    assert await reason(verifier, f"{header}.{other}.{signature}") == "TOKEN_INVALID"


@pytest.mark.parametrize("kid", ["unknown", "svc-unknown", "svc-sneaky", "", None])
async def test_a_key_that_is_not_known_in_its_place_is_refused(
    verifier: TokenVerifier, kid: str | None
) -> None:
    assert await reason(verifier, signed(claims(), kid=kid)) == "TOKEN_INVALID"


async def test_alg_none_is_refused(verifier: TokenVerifier) -> None:
    token = unsafely_encoded({"alg": "none", "kid": "user-1"}, claims())
    assert await reason(verifier, token) == "TOKEN_INVALID"


async def test_a_token_signed_with_the_public_key_as_a_password_is_refused(verifier: TokenVerifier) -> None:
    public = USER_KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    header = {"alg": "HS256", "kid": "user-1"}
    unsigned = unsafely_encoded(header, claims()).rpartition(".")[0]
    signature = jwt.algorithms.HMACAlgorithm(jwt.algorithms.HMACAlgorithm.SHA256).sign(
        unsigned.encode(), public
    )
    assert await reason(verifier, unsafely_encoded(header, claims(), signature)) == "TOKEN_INVALID"


async def test_a_user_key_cannot_make_a_service(verifier: TokenVerifier) -> None:
    assert await reason(verifier, signed(claims(kind="SERVICE", sub="application"))) == "TOKEN_INVALID"


async def test_a_service_key_cannot_make_a_user(verifier: TokenVerifier) -> None:
    assert await reason(verifier, signed(claims(), SERVICE_KEY, "svc-application")) == "TOKEN_INVALID"


async def test_a_service_cannot_speak_for_another(verifier: TokenVerifier) -> None:
    payload = claims(kind="SERVICE", sub="auth")
    assert await reason(verifier, signed(payload, SERVICE_KEY, "svc-application")) == "TOKEN_INVALID"


@pytest.mark.parametrize("token", ["", "a", "a.b.c", "....", "x" * 5000, "ü.ü.ü", "e30.e30.e30"])
async def test_what_is_no_token_at_all_is_refused(verifier: TokenVerifier, token: str) -> None:
    assert await reason(verifier, token) == "TOKEN_INVALID"


async def test_a_verified_token_is_not_verified_again(verifier: TokenVerifier) -> None:
    token = signed(claims())
    first = await verifier.verify(token)
    assert await verifier.verify(token) is first


async def test_a_service_uses_one_token_until_it_is_about_to_expire(monkeypatch: pytest.MonkeyPatch) -> None:
    identity, now = ServiceIdentity("application", SERVICE_KEY), time.time()
    first = identity.token()
    monkeypatch.setattr(time, "time", lambda: now + 230)
    assert identity.token() == first
    monkeypatch.setattr(time, "time", lambda: now + 250)
    assert identity.token() != first


async def test_only_the_token_of_an_api_key_has_scopes(verifier: TokenVerifier) -> None:
    person = await verifier.verify(signed(claims()))
    assert person.scopes is None
    key = await verifier.verify(signed(claims(scope="LISTINGS_READ FIGURES_READ")))
    assert key.scopes == ("LISTINGS_READ", "FIGURES_READ")
    assert (await verifier.verify(signed(claims(scope="")))).scopes == ()


async def test_the_older_issuer_is_taken_for_a_time_and_only_the_gateway_s_address_afterwards(
    verifier: TokenVerifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    later = datetime.now(UTC) + timedelta(days=1)
    monkeypatch.setattr("chassis.security.tokens.OLDER_ISSUER_UNTIL", later)
    assert (await verifier.verify(signed(claims(iss=OLDER_ISSUER, sub="usr_2")))).id == "usr_2"
    monkeypatch.setattr("chassis.security.tokens.OLDER_ISSUER_UNTIL", datetime.now(UTC))
    assert await reason(verifier, signed(claims(iss=OLDER_ISSUER, sub="usr_3"))) == "TOKEN_INVALID"
    assert (await verifier.verify(signed(claims(sub="usr_4")))).id == "usr_4"


async def test_the_issuer_of_people_is_none_of_a_service(verifier: TokenVerifier) -> None:
    forged = claims(iss=ISSUER, sub="application", kind="SERVICE")
    assert await reason(verifier, signed(forged, SERVICE_KEY, "svc-application")) == "TOKEN_INVALID"
