"""The verifier of passkeys, with a software authenticator that is right, wrong and hostile."""

import json
import secrets
from collections.abc import Callable
from dataclasses import replace
from functools import partial

import cbor2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chassis.errors import DomainError
from services.auth.domain.passkeys import CHALLENGE_BYTES, NewCredential
from services.auth.service.passkey_ports import PasskeySite
from services.auth.webauthn_verifier import WebauthnVerifier
from tests.software_authenticator import (
    BACKED_UP,
    BACKUP_ELIGIBLE,
    EDDSA,
    ES256,
    RS256,
    USER_PRESENT,
    VERIFIED,
    SoftwareAuthenticator,
)
from tests.unit.auth.test_linking import account
from tests.unit.auth.test_passkeys import passkey

ORIGIN = "https://app.example.com"
APP_ORIGIN = "android:apk-key-hash:c29mdHdhcmU"
VERIFIER = WebauthnVerifier(PasskeySite("example.com", (ORIGIN, APP_ORIGIN)))
CHALLENGE = bytes(range(CHALLENGE_BYTES))
Spoil = Callable[[SoftwareAuthenticator], None]


def device(**fields: object) -> SoftwareAuthenticator:
    made = SoftwareAuthenticator(ORIGIN, "example.com", algorithm=int(str(fields.pop("algorithm", ES256))))
    for name, value in fields.items():
        setattr(made, name, value)
    return made


def registered(made: SoftwareAuthenticator) -> NewCredential:
    options = VERIFIER.registration_options(account(), CHALLENGE)
    return VERIFIER.verify_registration(made.create(options), CHALLENGE)


def is_refused(work: Callable[[], object]) -> bool:
    with pytest.raises(DomainError) as refused:
        work()
    return refused.value.reason == "PASSKEY_INVALID"


def credential_of(found: bytes) -> str:
    return device().credential_json(clientDataJSON=found, attestationObject=found, authenticatorData=found)


@pytest.mark.parametrize("attestation", ["none", "packed"])
@pytest.mark.parametrize("algorithm", [ES256, EDDSA, RS256])
def test_a_passkey_of_each_algorithm_is_made_and_signs(algorithm: int, attestation: str) -> None:
    made = device(algorithm=algorithm, attestation=attestation, sign_count=1)
    created = registered(made)
    assert (
        created.credential_id
        == made.credential_id
        == VERIFIER.read_credential_id(made.get(VERIFIER.sign_in_options(CHALLENGE)))
    )
    answer = made.get(VERIFIER.sign_in_options(CHALLENGE))
    proof = VERIFIER.verify_assertion(answer, CHALLENGE, created.public_key)
    assert proof.sign_count == made.sign_count == 3


def test_options_want_a_verified_person_and_leave_known_passkeys_out() -> None:
    made = device()
    created = registered(made)
    known = account()
    options = json.loads(VERIFIER.registration_options(known, CHALLENGE))
    assert options["rp"]["id"] == "example.com"
    assert options["authenticatorSelection"]["userVerification"] == "required"
    assert options["authenticatorSelection"]["residentKey"] == "required"
    assert {each["alg"] for each in options["pubKeyCredParams"]} == {ES256, EDDSA, RS256}
    assert options["excludeCredentials"] == []
    added = replace(passkey(), credential_id=created.credential_id)
    options = json.loads(VERIFIER.registration_options(replace(known, passkeys=(added,)), CHALLENGE))
    assert len(options["excludeCredentials"]) == 1
    signing = json.loads(VERIFIER.sign_in_options(CHALLENGE))
    assert signing["userVerification"] == "required"
    assert not signing.get("allowCredentials")


def test_a_synced_passkey_and_one_of_an_app_are_recognised() -> None:
    made = device(flags=VERIFIED | BACKUP_ELIGIBLE | BACKED_UP, origin=APP_ORIGIN)
    proof = registered(made).proof
    assert proof.is_backup_eligible
    assert proof.is_backed_up


@pytest.mark.parametrize(
    "spoilt",
    [
        {"origin": "https://app.example.com.evil.test"},
        {"origin": "https://example.com"},
        {"domain": "evil.test"},
        {"flags": USER_PRESENT},
        {"flags": 0},
    ],
    ids=["other site", "other origin of the domain", "other domain", "unverified", "absent"],
)
def test_an_answer_for_others_or_without_the_person_is_refused(spoilt: dict[str, object]) -> None:
    assert is_refused(lambda: registered(device(**spoilt)))
    made = device()
    created = registered(made)
    for name, value in spoilt.items():
        setattr(made, name, value)
    answer = made.get(VERIFIER.sign_in_options(CHALLENGE))
    assert is_refused(lambda: VERIFIER.verify_assertion(answer, CHALLENGE, created.public_key))


def test_another_challenge_another_kind_and_another_key_are_refused() -> None:
    made, other = device(), device()
    created, foreign = registered(made), registered(other)
    options = VERIFIER.sign_in_options(CHALLENGE)
    answer = made.get(options)
    assert is_refused(lambda: VERIFIER.verify_assertion(answer, secrets.token_bytes(32), created.public_key))
    assert is_refused(lambda: VERIFIER.verify_assertion(answer, CHALLENGE, foreign.public_key))
    mistaken = made.get(options, type="webauthn.create")
    assert is_refused(lambda: VERIFIER.verify_assertion(mistaken, CHALLENGE, created.public_key))


def test_other_algorithms_and_attestations_with_certificates_are_refused() -> None:
    unknown = device()
    unknown.algorithm = -65535  # RSA with SHA-1
    assert is_refused(lambda: registered(unknown))
    options = VERIFIER.registration_options(account(), CHALLENGE)
    for fmt in ("fido-u2f", "tpm", "apple", "android-key", "invented"):
        certified = device(attestation=fmt)
        answer = certified.create(options)
        assert is_refused(partial(VERIFIER.verify_registration, answer, CHALLENGE))


def test_a_self_signed_attestation_with_a_wrong_signature_is_refused() -> None:
    made = device(attestation="packed")
    answer = json.loads(made.create(VERIFIER.registration_options(account(), CHALLENGE)))
    data = made.authenticator_data(with_credential=True)
    forged = cbor2.dumps({"fmt": "packed", "attStmt": {"alg": ES256, "sig": b"\x30\x00"}, "authData": data})
    client = answer["response"]["clientDataJSON"]
    credential = json.loads(made.credential_json(attestationObject=forged))
    credential["response"]["clientDataJSON"] = client
    assert is_refused(lambda: VERIFIER.verify_registration(json.dumps(credential), CHALLENGE))


@given(st.data())
def test_truncated_and_changed_bytes_are_refused_and_never_break(data: st.DataObject) -> None:
    made = device()
    answer = json.loads(made.create(VERIFIER.registration_options(account(), CHALLENGE)))
    whole = cbor2.dumps(
        {"fmt": "none", "attStmt": {}, "authData": made.authenticator_data(with_credential=True)}
    )
    cut = data.draw(st.integers(0, len(whole) - 1))
    answer["response"]["attestationObject"] = json.loads(made.credential_json(x=whole[:cut]))["response"]["x"]
    assert is_refused(lambda: VERIFIER.verify_registration(json.dumps(answer), CHALLENGE))


@given(st.text(max_size=200) | st.binary(max_size=100).map(credential_of))
def test_any_text_in_place_of_a_credential_is_refused(text: str) -> None:
    assert is_refused(lambda: VERIFIER.verify_registration(text, CHALLENGE))
    assert is_refused(lambda: VERIFIER.verify_assertion(text, CHALLENGE, b"\xa0"))


@pytest.mark.parametrize("nested", [b"\x81" * 8000 + b"\x00", b"\x9b" + b"\xff" * 8, b"\x5b" + b"\xff" * 8])
def test_deep_and_oversized_cbor_is_refused(nested: bytes) -> None:
    made = device()
    answer = json.loads(made.create(VERIFIER.registration_options(account(), CHALLENGE)))
    answer["response"]["attestationObject"] = json.loads(made.credential_json(x=nested))["response"]["x"]
    assert is_refused(lambda: VERIFIER.verify_registration(json.dumps(answer), CHALLENGE))


def test_a_credential_without_a_usable_id_is_refused() -> None:
    made = device(credential_id=b"")
    answer = made.get(VERIFIER.sign_in_options(CHALLENGE))
    assert is_refused(lambda: VERIFIER.read_credential_id(answer))
    made.credential_id = bytes(1024)
    answer = made.get(VERIFIER.sign_in_options(CHALLENGE))
    assert is_refused(lambda: VERIFIER.read_credential_id(answer))
