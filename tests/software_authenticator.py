"""An authenticator in software: makes credentials and signs challenges as devices and browsers do."""

import base64
import hashlib
import json
import secrets
from dataclasses import dataclass, field
from typing import Any, Final

import cbor2
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa

ES256: Final = -7
EDDSA: Final = -8
RS256: Final = -257
USER_PRESENT: Final = 0x01
USER_VERIFIED: Final = 0x04
BACKUP_ELIGIBLE: Final = 0x08
BACKED_UP: Final = 0x10
ATTESTED: Final = 0x40
VERIFIED: Final = USER_PRESENT | USER_VERIFIED

PrivateKey = ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey | rsa.RSAPrivateKey


@dataclass
class SoftwareAuthenticator:
    """One device with one credential; `flags` are those of the authenticator data, to be set wrongly, too.

    `sign_count` grows with each signature unless it is 0, as that of synced passkeys.
    """

    origin: str
    domain: str
    algorithm: int = ES256
    flags: int = VERIFIED
    sign_count: int = 0
    credential_id: bytes = field(default_factory=lambda: secrets.token_bytes(32))
    attestation: str = "none"
    user_handle: bytes = b""

    def __post_init__(self) -> None:
        self._key = _new_key(self.algorithm)

    def create(self, options: str, **client_data: Any) -> str:
        """Return the JSON of a new credential for these options of a registration."""
        wanted = json.loads(options)
        self.user_handle = _bytes(wanted["user"]["id"])
        client = self._client_data("webauthn.create", wanted["challenge"], client_data)
        data = self.authenticator_data(with_credential=True)
        statement = {}
        if self.attestation == "packed":
            signature = self._sign(data + hashlib.sha256(client).digest())
            statement = {"alg": self.algorithm, "sig": signature}
        attested = cbor2.dumps({"fmt": self.attestation, "attStmt": statement, "authData": data})
        return self.credential_json(clientDataJSON=client, attestationObject=attested)

    def get(self, options: str, **client_data: Any) -> str:
        """Return the JSON of a signed answer to these options of a sign-in."""
        client = self._client_data("webauthn.get", json.loads(options)["challenge"], client_data)
        self.sign_count += self.sign_count > 0
        data = self.authenticator_data()
        return self.credential_json(
            clientDataJSON=client,
            authenticatorData=data,
            signature=self._sign(data + hashlib.sha256(client).digest()),
            userHandle=self.user_handle,
        )

    def credential_json(self, **response: bytes) -> str:
        """Return a credential with this response as a browser's `toJSON` gives it."""
        name = _text(self.credential_id)
        fields = {key: _text(value) for key, value in response.items()}
        return json.dumps({"id": name, "rawId": name, "type": "public-key", "response": fields})

    def authenticator_data(self, *, with_credential: bool = False) -> bytes:
        """Return the bytes that are signed beside the client's data."""
        flags = self.flags | (ATTESTED if with_credential else 0)
        head = hashlib.sha256(self.domain.encode()).digest() + bytes([flags])
        head += self.sign_count.to_bytes(4, "big")
        if not with_credential:
            return head
        length = len(self.credential_id).to_bytes(2, "big")
        return head + bytes(16) + length + self.credential_id + cbor2.dumps(self._cose_key())

    def _client_data(self, kind: str, challenge: str, changed: dict[str, Any]) -> bytes:
        fields = {"type": kind, "challenge": challenge, "origin": self.origin, "crossOrigin": False}
        return json.dumps(fields | changed).encode()

    def _cose_key(self) -> dict[int, Any]:
        key = self._key
        if isinstance(key, ec.EllipticCurvePrivateKey):
            point = key.public_key().public_numbers()
            return {
                1: 2,
                3: self.algorithm,
                -1: 1,
                -2: point.x.to_bytes(32, "big"),
                -3: point.y.to_bytes(32, "big"),
            }
        if isinstance(key, ed25519.Ed25519PrivateKey):
            return {1: 1, 3: self.algorithm, -1: 6, -2: key.public_key().public_bytes_raw()}
        numbers = key.public_key().public_numbers()
        return {
            1: 3,
            3: self.algorithm,
            -1: numbers.n.to_bytes(key.key_size // 8, "big"),
            -2: b"\x01\x00\x01",
        }

    def _sign(self, data: bytes) -> bytes:
        if isinstance(self._key, ec.EllipticCurvePrivateKey):
            return self._key.sign(data, ec.ECDSA(hashes.SHA256()))
        if isinstance(self._key, ed25519.Ed25519PrivateKey):
            return self._key.sign(data)
        return self._key.sign(data, padding.PKCS1v15(), hashes.SHA256())


def _new_key(algorithm: int) -> PrivateKey:
    if algorithm == EDDSA:
        return ed25519.Ed25519PrivateKey.generate()
    if algorithm == RS256:
        return rsa.generate_private_key(65537, 2048)
    return ec.generate_private_key(ec.SECP256R1())


def _text(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).decode().rstrip("=")


def _bytes(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
