"""The verifier of passkeys: py_webauthn, with this service's bounds around it."""

from collections.abc import Callable
from typing import Final, TypeVar

import webauthn
from webauthn.helpers import (
    base64url_to_bytes,
    parse_attestation_object,
    parse_authentication_credential_json,
    parse_registration_credential_json,
)
from webauthn.helpers.cose import COSEAlgorithmIdentifier
from webauthn.helpers.structs import (
    AttestationConveyancePreference,
    AttestationFormat,
    AuthenticatorSelectionCriteria,
    CredentialDeviceType,
    PublicKeyCredentialDescriptor,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)

from chassis.redis import RedisCluster
from services.auth.domain.accounts import Account
from services.auth.domain.passkeys import (
    CHALLENGE_LIFE,
    MAX_CREDENTIAL_ID_BYTES,
    MAX_PUBLIC_KEY_BYTES,
    NewCredential,
    PasskeyProof,
    invalid_passkey,
)
from services.auth.pending_passkeys import RedisPasskeyChallenges
from services.auth.service.passkey_ports import PasskeyPorts, PasskeySite

T = TypeVar("T")

SERVICE_NAME: Final = "InternshipConnect"
ALGORITHMS: Final = (
    COSEAlgorithmIdentifier.ECDSA_SHA_256,
    COSEAlgorithmIdentifier.EDDSA,
    COSEAlgorithmIdentifier.RSASSA_PKCS1_v1_5_SHA_256,
)
_TIMEOUT_MS: Final = int(CHALLENGE_LIFE.total_seconds() * 1000)


class WebauthnVerifier:
    """Verifies for one domain. Attestation is not asked for: any authenticator will do."""

    def __init__(self, site: PasskeySite) -> None:
        self._domain = site.domain
        self._origins = list(site.origins)

    def registration_options(self, account: Account, challenge: bytes) -> str:
        """Return options for a discoverable credential, whose user handle is the account's ID."""
        options = webauthn.generate_registration_options(
            rp_id=self._domain,
            rp_name=SERVICE_NAME,
            user_id=account.id.encode(),
            user_name=account.email,
            user_display_name=account.holder.name,
            challenge=challenge,
            timeout=_TIMEOUT_MS,
            attestation=AttestationConveyancePreference.NONE,
            authenticator_selection=AuthenticatorSelectionCriteria(
                resident_key=ResidentKeyRequirement.REQUIRED,
                user_verification=UserVerificationRequirement.REQUIRED,
            ),
            exclude_credentials=[
                PublicKeyCredentialDescriptor(each.credential_id) for each in account.passkeys
            ],
            supported_pub_key_algs=list(ALGORITHMS),
        )
        return webauthn.options_to_json(options)

    def sign_in_options(self, challenge: bytes) -> str:
        """Return options that name no credential, so that they say nothing about accounts."""
        options = webauthn.generate_authentication_options(
            rp_id=self._domain,
            challenge=challenge,
            timeout=_TIMEOUT_MS,
            user_verification=UserVerificationRequirement.REQUIRED,
        )
        return webauthn.options_to_json(options)

    def verify_registration(self, credential: str, challenge: bytes) -> NewCredential:
        """Return the credential that was made. Raises PASSKEY_INVALID."""
        return _parsed(lambda: self._verify_registration(credential, challenge))

    def read_credential_id(self, credential: str) -> bytes:
        """Return the ID that an answer names. Raises PASSKEY_INVALID."""
        found = _parsed(lambda: base64url_to_bytes(parse_authentication_credential_json(credential).id))
        if not 0 < len(found) <= MAX_CREDENTIAL_ID_BYTES:
            raise invalid_passkey()
        return found

    def verify_assertion(self, credential: str, challenge: bytes, public_key: bytes) -> PasskeyProof:
        """Return what a signed answer says; who asks compares its counter. Raises PASSKEY_INVALID."""
        verified = _parsed(
            lambda: webauthn.verify_authentication_response(
                credential=credential,
                expected_challenge=challenge,
                expected_rp_id=self._domain,
                expected_origin=self._origins,
                credential_public_key=public_key,
                credential_current_sign_count=0,
                require_user_verification=True,
            )
        )
        return PasskeyProof(
            verified.new_sign_count,
            _is_eligible(verified.credential_device_type),
            verified.credential_backed_up,
        )

    def _verify_registration(self, credential: str, challenge: bytes) -> NewCredential:
        parsed = parse_registration_credential_json(credential)
        attested = parse_attestation_object(parsed.response.attestation_object)
        is_self_signed = attested.fmt == AttestationFormat.PACKED and not attested.att_stmt.x5c
        # Certificates are neither wanted nor parsed.
        if attested.fmt != AttestationFormat.NONE and not is_self_signed:
            raise invalid_passkey()
        verified = webauthn.verify_registration_response(
            credential=parsed,
            expected_challenge=challenge,
            expected_rp_id=self._domain,
            expected_origin=self._origins,
            require_user_verification=True,
            supported_pub_key_algs=list(ALGORITHMS),
        )
        is_small = len(verified.credential_public_key) <= MAX_PUBLIC_KEY_BYTES
        if not is_small or len(verified.credential_id) > MAX_CREDENTIAL_ID_BYTES:
            raise invalid_passkey()
        proof = PasskeyProof(
            verified.sign_count, _is_eligible(verified.credential_device_type), verified.credential_backed_up
        )
        return NewCredential(verified.credential_id, verified.credential_public_key, proof)


def open_passkey_ports(site: PasskeySite, redis: RedisCluster) -> PasskeyPorts:
    """Return the real ports."""
    return PasskeyPorts(WebauthnVerifier(site), RedisPasskeyChallenges(redis))


def _parsed(work: Callable[[], T]) -> T:
    try:
        return work()
    except Exception:  # the parsers raise errors of many kinds on bytes from outside
        raise invalid_passkey() from None


def _is_eligible(kind: CredentialDeviceType) -> bool:
    return kind is CredentialDeviceType.MULTI_DEVICE
