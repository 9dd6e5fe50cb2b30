"""A small OpenID provider with keys of its own, over HTTP, which tests can make answer wrongly."""

import base64
import hashlib
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

import jwt
from aiohttp import BasicAuth, web
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from jwt.algorithms import RSAAlgorithm

from services.auth.oidc_client import ProviderSettings

CLIENT_ID = "internshipconnect"
CLIENT_SECRET = "a secret: of/two parts"


@dataclass
class Person:
    """Who signs in at the provider."""

    subject: str = "248289761001"
    email: str = "ada@campus.test"
    email_verified: bool = True
    name: str = "Ada"


@dataclass
class SmallProvider:
    """The provider; `claims` replaces claims of the next tokens (None: leaves out), `signer` signs them."""

    key: RSAPrivateKey = field(default_factory=lambda: generate_private_key(65537, 2048))
    signer: RSAPrivateKey | None = None
    kid: str = "key-1"
    claims: dict[str, Any] = field(default_factory=dict)
    metadata: dict[str, Any] = field(default_factory=dict)
    issuer: str = ""
    _codes: dict[str, tuple[Mapping[str, str], Person]] = field(default_factory=dict)
    _runner: web.AppRunner | None = None

    @property
    def settings(self) -> ProviderSettings:
        """The provider as an operator names it."""
        return ProviderSettings.model_validate(
            {
                "id": "campus",
                "name": "Campus login",
                "issuer": self.issuer,
                "client_id": CLIENT_ID,
                "client_secret": CLIENT_SECRET,
            }
        )

    async def start(self) -> None:
        """Serve on a free port."""
        app = web.Application()
        app.router.add_get("/.well-known/openid-configuration", self._answer_metadata)
        app.router.add_get("/keys", self._answer_keys)
        app.router.add_post("/token", self._answer_token)
        self._runner = web.AppRunner(app)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        host, port = self._runner.addresses[0][:2]
        self.issuer = f"http://{host}:{port}"

    async def stop(self) -> None:
        """Serve no more; a repeat changes nothing."""
        runner, self._runner = self._runner, None
        if runner is not None:
            await runner.cleanup()

    def sign_in(self, url: str, person: Person) -> tuple[str, str]:
        """Return state and code, as the browser of somebody who has signed in at this address gets them."""
        asked = {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}
        assert asked["response_type"] == "code"
        assert asked["code_challenge_method"] == "S256"
        assert asked["client_id"] == CLIENT_ID
        code = secrets.token_urlsafe(16)
        self._codes[code] = (asked, person)
        return asked["state"], code

    async def _answer_metadata(self, _: web.Request) -> web.Response:
        own = {
            "issuer": self.issuer,
            "authorization_endpoint": f"{self.issuer}/authorize",
            "token_endpoint": f"{self.issuer}/token",
            "jwks_uri": f"{self.issuer}/keys",
        }
        return web.json_response(own | self.metadata)

    async def _answer_keys(self, _: web.Request) -> web.Response:
        public = RSAAlgorithm.to_jwk(self.key.public_key(), as_dict=True)
        return web.json_response({"keys": [public | {"kid": self.kid, "use": "sig"}]})

    async def _answer_token(self, request: web.Request) -> web.Response:
        form = await request.post()
        proof = BasicAuth.decode(request.headers["authorization"])
        asked, person = self._codes.pop(str(form["code"]), ({}, Person()))
        challenge = hashlib.sha256(str(form["code_verifier"]).encode()).digest()
        is_right = (
            proof.login == CLIENT_ID
            and proof.password == "a%20secret%3A%20of%2Ftwo%20parts"
            and asked.get("code_challenge") == base64.urlsafe_b64encode(challenge).decode().rstrip("=")
            and asked.get("redirect_uri") == form["redirect_uri"]
        )
        if not is_right:
            return web.json_response({"error": "invalid_grant"}, status=400)
        return web.json_response({"token_type": "Bearer", "id_token": self._id_token(asked["nonce"], person)})

    def _id_token(self, nonce: str, person: Person) -> str:
        now = int(time.time())
        own = {
            "iss": self.issuer,
            "aud": CLIENT_ID,
            "sub": person.subject,
            "email": person.email,
            "email_verified": person.email_verified,
            "name": person.name,
            "nonce": nonce,
            "iat": now,
            "exp": now + 300,
        }
        claims = {name: value for name, value in (own | self.claims).items() if value is not None}
        return jwt.encode(claims, self.signer or self.key, "RS256", headers={"kid": self.kid})
