"""Access tokens as somebody would forge them."""

import base64
import hmac
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import httpx
import jwt
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jwt import PyJWK
from jwt.algorithms import ECAlgorithm

from devstack.credentials import service_key_path
from devstack.journey.client import Json
from tests.hostile.callers import LabelledCaller
from tests.stack import StackHandle

FOREIGN_JWKS_URL: Final = "https://keys.example.com/jwks.json"


@dataclass(frozen=True)
class TokenForger:
    """A forger who knows the public keys, a token of their own, and one service's key."""

    stack: StackHandle
    token: str
    public: Json
    own_key: ec.EllipticCurvePrivateKey

    @classmethod
    def at(cls, stack: StackHandle, somebody: LabelledCaller) -> "TokenForger":
        """Return a forger with the token of `somebody`."""
        keys = httpx.get(f"{stack.gateway_url}/.well-known/jwks.json", trust_env=False).json()["keys"]
        kid = jwt.get_unverified_header(somebody.token)["kid"]
        public = next(key for key in keys if key["kid"] == kid)
        return cls(stack, somebody.token, public, ec.generate_private_key(ec.SECP256R1()))

    @property
    def claims(self) -> Json:
        """Return the claims of the token."""
        claims: Json = jwt.decode(self.token, options={"verify_signature": False})
        return claims

    @property
    def own_jwk(self) -> Json:
        """Return the forger's own key as a JWK with the true key's ID."""
        return {**ECAlgorithm.to_jwk(self.own_key.public_key(), as_dict=True), "kid": self.public["kid"]}

    def signed(self, header: Mapping[str, Any] | None = None, claims: Mapping[str, Any] | None = None) -> str:
        """Return a token signed with the forger's own key."""
        head = {"kid": self.public["kid"], **(header or {})}
        return jwt.encode({**self.claims, **(claims or {})}, self.own_key, "ES256", headers=head)

    def hmac(self, secret: bytes, algorithm: str = "HS256") -> str:
        """Return a token signed with a public secret, made by hand: libraries refuse a public key as one."""
        text = _unsigned({"alg": algorithm, "typ": "JWT", "kid": self.public["kid"]}, self.claims)
        digest = {"HS256": "sha256", "HS512": "sha512"}[algorithm]
        return f"{text}.{_base64url(hmac.digest(secret, text.encode(), digest))}"

    def unsigned(self, algorithm: str) -> str:
        """Return a token without a signature."""
        return _unsigned({"alg": algorithm, "typ": "JWT", "kid": self.public["kid"]}, self.claims) + "."

    def by_service(self, service: str, **claims: Any) -> str:
        """Return a user's token signed with a service's own key."""
        key = service_key_path(self.stack.topology, service).read_bytes()
        return jwt.encode({**self.claims, **claims}, key, "ES256", headers={"kid": f"svc-{service}"})

    def changed(self, **claims: Any) -> str:
        """Return a valid token whose claims were changed under the same signature."""
        head, _, signature = self.token.split(".")
        return f"{head}.{_base64url(json.dumps({**self.claims, **claims}).encode())}.{signature}"

    def zeroed(self) -> str:
        """Return a token with the all-zero signature that broken verifiers accept."""
        head, body, _ = self.token.split(".")
        return f"{head}.{body}.{_base64url(bytes(64))}"


def _base64url(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _unsigned(header: Mapping[str, Any], claims: Mapping[str, Any]) -> str:
    return ".".join(_base64url(json.dumps(part).encode()) for part in (header, claims))


def _pem(forger: TokenForger) -> bytes:
    key: Any = PyJWK(forger.public).key
    return bytes(key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))


FORGED_TOKENS: Final[Mapping[str, Callable[[TokenForger], str]]] = {
    "HS256 with the public key as PEM": lambda one: one.hmac(_pem(one)),
    "HS256 with the public key as PEM without its last line end": lambda one: one.hmac(_pem(one).rstrip()),
    "HS256 with the public key as JWK": lambda one: one.hmac(json.dumps(one.public).encode()),
    "HS256 with the public key's coordinate": lambda one: one.hmac(one.public["x"].encode()),
    "HS512 with the public key as PEM": lambda one: one.hmac(_pem(one), "HS512"),
    "HS256 with nothing": lambda one: one.hmac(b""),
    "no algorithm": lambda one: one.unsigned("none"),
    "no algorithm, in capitals": lambda one: one.unsigned("NONE"),
    "no algorithm, oddly spelt": lambda one: one.unsigned("nOnE"),
    "ES256, and no signature": lambda one: one.unsigned("ES256"),
    "a signature of zeros": TokenForger.zeroed,
    "somebody else's key under the true name": TokenForger.signed,
    "a key that there is not": lambda one: one.signed({"kid": "no-such-key"}),
    "a key without a name": lambda one: one.signed({"kid": ""}),
    "a key named by a path": lambda one: one.signed({"kid": "../../../../dev/null"}),
    "a key named by a query": lambda one: one.signed({"kid": "' OR '1'='1"}),
    "a key named by an operator": lambda one: one.signed({"kid": '{"$gt":""}'}),
    "a service's name with a path": lambda one: one.signed({"kid": "svc-../auth"}),
    "a service's name": lambda one: one.signed(
        {"kid": "svc-application"}, {"kind": "SERVICE", "sub": "application"}
    ),
    "a key of a very long name": lambda one: one.signed({"kid": "k" * 2_000}),
    "keys from elsewhere": lambda one: one.signed({"jku": FOREIGN_JWKS_URL}),
    "a certificate from elsewhere": lambda one: one.signed({"x5u": FOREIGN_JWKS_URL}),
    "a key that it brings itself": lambda one: one.signed({"jwk": one.own_jwk}),
    "a certificate that it brings itself": lambda one: one.signed({"x5c": [one.public["x"]]}),
    "another person under the true signature": lambda one: one.changed(sub="usr_00000000000000000000000000"),
    "more rights under the true signature": lambda one: one.changed(kind="ADMIN", role="OWNER"),
    "a longer life under the true signature": lambda one: one.changed(exp=int(time.time()) + 10**8),
    "a service's key in a person's name": lambda one: one.by_service("application"),
    "a service's key in an administrator's name": lambda one: one.by_service("auth", kind="ADMIN"),
    "a service's key in another service's name": lambda one: one.by_service(
        "application", kind="SERVICE", sub="auth"
    ),
    "three dots": lambda _: "...",
    "a token that goes on and on": lambda one: f"{one.token}{'A' * 8_000}",
    "a token with a line end": lambda one: f"{one.token[:50]}%0d%0a{one.token[50:]}",
}
"""By name of the fault: the forged token. All are TOKEN_INVALID."""
