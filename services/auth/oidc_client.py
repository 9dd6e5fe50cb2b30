"""The client of other providers (OpenID Connect Core 1.0): authorisation code with PKCE (RFC 7636)."""

import asyncio
import base64
import hashlib
import hmac
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote, urlencode, urlsplit

import jwt
import orjson
from aiohttp import BasicAuth, ClientError, ClientResponse, ClientSession, ClientTimeout
from pydantic import BaseModel, ConfigDict, Field, SecretStr, TypeAdapter, ValidationError

from chassis.errors import not_found, unavailable
from chassis.observability.logging import get_logger
from chassis.redis import RedisCluster
from services.auth.domain.identities import PendingSignIn, ProvenIdentity, invalid_provider_sign_in
from services.auth.pending_sign_ins import RedisPendingSignIns
from services.auth.service.identity_provider import ProviderCard, ProviderPorts

REQUEST_TIMEOUT_S: Final = 3.0
MAX_ANSWER_BYTES: Final = 256 * 1024
METADATA_TTL_S: Final = 3600.0
MIN_KEYS_INTERVAL_S: Final = 10.0
"""The minimum interval between two fetches of keys, so that invented key IDs cause no load."""
MAX_TOKEN_AGE_S: Final = 600.0
CLOCK_SKEW_S: Final = 30.0
MAX_SUBJECT_CHARS: Final = 255
ALGORITHMS: Final = ("RS256", "PS256", "ES256", "EdDSA")
"""Signatures with public keys only: a shared secret would make the client able to sign."""
_REQUIRED_CLAIMS: Final = ("iss", "sub", "aud", "exp", "iat", "nonce")
_HTTP_OK: Final = 200
_HTTP_SERVER_ERROR: Final = 500
_LOCAL_HOSTS: Final = frozenset({"127.0.0.1", "localhost"})

_log = get_logger()


class ProviderSettings(BaseModel):
    """One provider, as the operator's file has it; without a secret the client is a public one."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str = Field(pattern=r"^[a-z][a-z0-9-]{0,31}$")
    name: str = Field(min_length=1, max_length=80)
    issuer: str = Field(pattern=r"^https?://[^\s?#]+$")
    client_id: str = Field(min_length=1, max_length=255)
    client_secret: SecretStr = SecretStr("")
    scopes: str = "openid email profile"


@dataclass(frozen=True, slots=True)
class OidcSettings:
    """The providers, and the page to which they send people back."""

    providers: tuple[ProviderSettings, ...]
    redirect_uri: str


@dataclass(slots=True)
class _Metadata:
    """What a provider publishes about itself, and its keys by ID."""

    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    fetched_at: float
    keys: Sequence[Mapping[str, Any]] = ()
    keys_fetched_at: float = float("-inf")


class OidcClient:
    """Signs people in at providers. Their metadata is fetched when it is needed, and kept for an hour."""

    def __init__(self, settings: OidcSettings) -> None:
        self._providers = {provider.id: provider for provider in settings.providers}
        self._redirect_uri = settings.redirect_uri
        self._metadata: dict[str, _Metadata] = {}
        self._fetching = asyncio.Lock()

    def list_providers(self) -> Sequence[ProviderCard]:
        """Return the providers in the operator's order."""
        return [ProviderCard(each.id, each.name) for each in self._providers.values()]

    def provider_name(self, provider_id: str) -> str:
        """Return the name that people are shown; the ID of a provider that there is not any more."""
        known = self._providers.get(provider_id)
        return known.name if known else provider_id

    async def authorization_url(self, provider_id: str, state: str, pending: PendingSignIn) -> str:
        """Return the address to send a person to. Raises PROVIDER_NOT_FOUND, UNAVAILABLE."""
        provider = self._find(provider_id)
        metadata = await self._metadata_of(provider)
        challenge = hashlib.sha256(pending.verifier.encode()).digest()
        query = urlencode(
            {
                "response_type": "code",
                "client_id": provider.client_id,
                "redirect_uri": self._redirect_uri,
                "scope": provider.scopes,
                "state": state,
                "nonce": pending.nonce,
                "code_challenge": base64.urlsafe_b64encode(challenge).decode().rstrip("="),
                "code_challenge_method": "S256",
            }
        )
        separator = "&" if urlsplit(metadata.authorization_endpoint).query else "?"
        return f"{metadata.authorization_endpoint}{separator}{query}"

    async def redeem_code(self, code: str, pending: PendingSignIn) -> ProvenIdentity:
        """Return who a provider says has signed in. Raises PROVIDER_SIGN_IN_INVALID, UNAVAILABLE."""
        provider = self._providers.get(pending.provider_id)
        if provider is None:
            raise invalid_provider_sign_in()
        metadata = await self._metadata_of(provider)
        token = await self._exchange_code(provider, metadata, code, pending.verifier)
        try:
            claims = await self._verify(provider, metadata, token)
            _check_claims(claims, provider.client_id, pending.nonce)
        except (jwt.PyJWTError, _UntrustedAnswerError, ValueError, TypeError) as error:
            _log.warning("an ID token was refused", provider=provider.id, problem=str(error))
            raise invalid_provider_sign_in() from None
        return _identity_of(provider, claims)

    def _find(self, provider_id: str) -> ProviderSettings:
        found = self._providers.get(provider_id)
        if found is None:
            raise not_found("PROVIDER_NOT_FOUND", "provider", provider_id)
        return found

    async def _metadata_of(self, provider: ProviderSettings) -> _Metadata:
        async with self._fetching:
            known = self._metadata.get(provider.id)
            if known is not None and time.monotonic() < known.fetched_at + METADATA_TTL_S:
                return known
            document = await _get_json(f"{provider.issuer.rstrip('/')}/.well-known/openid-configuration")
            if document.get("issuer") != provider.issuer:
                _log.warning("a provider names another issuer than it should", provider=provider.id)
                raise unavailable("The provider")
            found = self._metadata[provider.id] = _Metadata(
                _endpoint(provider, document.get("authorization_endpoint")),
                _endpoint(provider, document.get("token_endpoint")),
                _endpoint(provider, document.get("jwks_uri")),
                fetched_at=time.monotonic(),
            )
        return found

    async def _exchange_code(
        self, provider: ProviderSettings, metadata: _Metadata, code: str, verifier: str
    ) -> str:
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self._redirect_uri,
            "code_verifier": verifier,
        }
        secret = provider.client_secret.get_secret_value()
        if not secret:
            form["client_id"] = provider.client_id
        # RFC 6749, 2.3.1: both parts are encoded like a form.
        proof = BasicAuth(quote(provider.client_id, safe=""), quote(secret, safe="")) if secret else None
        answer = await _post_form(metadata.token_endpoint, form, proof)
        token = answer.get("id_token")
        if not isinstance(token, str):
            raise invalid_provider_sign_in()
        return token

    async def _verify(self, provider: ProviderSettings, metadata: _Metadata, token: str) -> Mapping[str, Any]:
        header = jwt.get_unverified_header(token)
        algorithm = header.get("alg")
        if algorithm not in ALGORITHMS:
            raise _UntrustedAnswerError(f"signed with {algorithm!r}")
        key = await self._find_key(metadata, header.get("kid"))
        claims: dict[str, Any] = jwt.decode(
            token,
            jwt.PyJWK(dict(key), algorithm=algorithm).key,
            algorithms=[algorithm],
            issuer=provider.issuer,
            audience=provider.client_id,
            leeway=CLOCK_SKEW_S,
            options={"require": list(_REQUIRED_CLAIMS)},
        )
        return claims

    async def _find_key(self, metadata: _Metadata, kid: object) -> Mapping[str, Any]:
        found = _key_of(metadata.keys, kid)
        if found is None and time.monotonic() > metadata.keys_fetched_at + MIN_KEYS_INTERVAL_S:
            metadata.keys_fetched_at = time.monotonic()
            keys = (await _get_json(metadata.jwks_uri)).get("keys")
            listed = keys if isinstance(keys, list) else []
            metadata.keys = [each for each in listed if isinstance(each, dict)]
            found = _key_of(metadata.keys, kid)
        if found is None:
            raise _UntrustedAnswerError("signed with a key that the provider does not publish")
        return found


class _UntrustedAnswerError(Exception):
    """An ID token does not hold; the message says why, for the log."""


def open_provider_ports(settings: OidcSettings, redis: RedisCluster) -> ProviderPorts:
    """Return the client of the providers, and the store of sign-ins that have begun."""
    return ProviderPorts(OidcClient(settings), RedisPendingSignIns(redis))


def load_providers(path: Path | None) -> tuple[ProviderSettings, ...]:
    """Read the operator's file, a JSON list.

    Raises ValueError, which shows no secret, for invalid ones, and for two of one ID or issuer.
    """
    if path is None:
        return ()
    try:
        found = TypeAdapter(tuple[ProviderSettings, ...]).validate_json(path.read_bytes())
    except ValidationError as error:
        details = error.errors(include_input=False, include_url=False, include_context=False)
        problems = (f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in details)
        raise ValueError(f"{path}: {'; '.join(problems)}") from None
    if len({each.id for each in found}) != len(found) or len({each.issuer for each in found}) != len(found):
        raise ValueError(f"{path} names one provider twice")
    for each in found:
        if not _is_safe(each.issuer):
            raise ValueError(f"{path}: the issuer of {each.id} has to begin with https://")
    return found


def _is_safe(url: str) -> bool:
    """Return whether nobody on the way can read requests to a URL."""
    parts = urlsplit(url)
    return bool(parts.hostname) and (parts.scheme == "https" or parts.hostname in _LOCAL_HOSTS)


def _endpoint(provider: ProviderSettings, url: object) -> str:
    if not isinstance(url, str) or not _is_safe(url):
        _log.warning("a provider names no endpoint that can be trusted", provider=provider.id)
        raise unavailable("The provider")
    return url


def _key_of(keys: Sequence[Mapping[str, Any]], kid: object) -> Mapping[str, Any] | None:
    """Return the key of an ID; without an ID the only key."""
    signing = [each for each in keys if each.get("use", "sig") == "sig"]
    if kid is None:
        return signing[0] if len(signing) == 1 else None
    return next((each for each in signing if each.get("kid") == kid), None)


def _check_claims(claims: Mapping[str, Any], client_id: str, nonce: str) -> None:
    """Check what PyJWT does not: the nonce, the party that it is for, its age and the subject."""
    given, subject, audience = claims["nonce"], claims["sub"], claims["aud"]
    if not isinstance(given, str) or not hmac.compare_digest(given.encode(), nonce.encode()):
        raise _UntrustedAnswerError("its nonce is not that of this sign-in")
    is_for_several = isinstance(audience, list) and len(audience) > 1
    if claims.get("azp", None if is_for_several else client_id) != client_id:
        raise _UntrustedAnswerError("it was issued to another client")
    if time.time() > float(claims["iat"]) + MAX_TOKEN_AGE_S:
        raise _UntrustedAnswerError("it was issued too long ago")
    if not isinstance(subject, str) or not 0 < len(subject) <= MAX_SUBJECT_CHARS or "\n" in subject:
        raise _UntrustedAnswerError("it names nobody")


def _identity_of(provider: ProviderSettings, claims: Mapping[str, Any]) -> ProvenIdentity:
    email, name = claims.get("email"), claims.get("name")
    return ProvenIdentity(
        provider_id=provider.id,
        issuer=provider.issuer,
        subject=claims["sub"],
        email=email if isinstance(email, str) else "",
        email_verified=isinstance(email, str) and claims.get("email_verified") is True,
        name=name if isinstance(name, str) else "",
    )


async def _get_json(url: str) -> Mapping[str, Any]:
    """Return a document of a provider. Raises UNAVAILABLE for any other answer."""
    try:
        async with _new_session() as http, http.get(url, allow_redirects=False) as answer:
            if answer.status == _HTTP_OK:
                return await _read_object(answer)
    except (ClientError, TimeoutError, ValueError) as error:
        _log.warning("a provider does not answer", url=url, problem=type(error).__name__)
    raise unavailable("The provider")


async def _post_form(url: str, form: Mapping[str, str], proof: BasicAuth | None) -> Mapping[str, Any]:
    """Return the answer to a form. Raises PROVIDER_SIGN_IN_INVALID for a refusal, UNAVAILABLE."""
    try:
        async with (
            _new_session() as http,
            http.post(url, data=dict(form), auth=proof, allow_redirects=False) as answer,
        ):
            if answer.status == _HTTP_OK:
                return await _read_object(answer)
            is_refused = answer.status < _HTTP_SERVER_ERROR
    except (ClientError, TimeoutError, ValueError) as error:
        _log.warning("a provider does not answer", url=url, problem=type(error).__name__)
        raise unavailable("The provider") from None
    raise invalid_provider_sign_in() if is_refused else unavailable("The provider")


def _new_session() -> ClientSession:
    return ClientSession(timeout=ClientTimeout(total=REQUEST_TIMEOUT_S), trust_env=False)


async def _read_object(answer: ClientResponse) -> Mapping[str, Any]:
    """Return a JSON object of bounded size. Raises ValueError for anything else."""
    raw = b""
    async for chunk in answer.content.iter_chunked(MAX_ANSWER_BYTES):
        raw += chunk
        if len(raw) > MAX_ANSWER_BYTES:
            raise ValueError("too long")
    found = orjson.loads(raw)
    if not isinstance(found, dict):
        raise ValueError("no object")
    return found
