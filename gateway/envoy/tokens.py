"""Access tokens at the edge, verified with auth's public keys before a call is forwarded."""

from collections.abc import Iterable
from typing import Any, Final

from chassis.contracts import RpcSpec
from chassis.security.tokens import AUDIENCE, OLDER_ISSUER
from gateway import envoy_types
from gateway.envoy_types import typed_extension

JWT_FILTER: Final = "envoy.filters.http.jwt_authn"
CLAIMS_KEY: Final = "claims"
"""The key of the verified claims in the filter's metadata."""
_JWT_PROVIDER: Final = "users"
_OLDER_JWT_PROVIDER: Final = "users-older"
_CLOCK_SKEW_S: Final = 5
_MAX_CACHED_TOKENS: Final = 10_000
"""Of each of Envoy's workers; a token has about 500 bytes."""
_JWKS_CACHE_S: Final = 300
"""A key is published a day before it signs, so this may be long."""


def token_filter(
    rpcs: Iterable[RpcSpec], keys_cluster: str, keys_path: str, issuer: str | None
) -> dict[str, Any]:
    """Return the filter that refuses calls with an invalid token, or without one if the RPC needs it.

    Tokens of the older issuer are taken beside those of `issuer`; services say until when.
    """
    issuers = ({_JWT_PROVIDER: issuer} if issuer else {}) | {_OLDER_JWT_PROVIDER: OLDER_ISSUER}
    return typed_extension(
        JWT_FILTER,
        envoy_types.JWT,
        providers={name: _provider(each, keys_cluster, keys_path) for name, each in issuers.items()},
        rules=[{"match": {"path": rpc.path}, "requires": _requirement(rpc, issuers)} for rpc in rpcs],
    )


def _provider(issuer: str, cluster: str, path: str) -> dict[str, Any]:
    return {
        "issuer": issuer,
        "audiences": [AUDIENCE],
        "from_headers": [{"name": "authorization", "value_prefix": "Bearer "}],
        # Forwarded, as the services verify it once more and do not trust the edge.
        "forward": True,
        "payload_in_metadata": CLAIMS_KEY,
        "clock_skew_seconds": _CLOCK_SKEW_S,
        # A verified token is cached until it expires.
        "jwt_cache_config": {"jwt_cache_size": _MAX_CACHED_TOKENS},
        "remote_jwks": {
            "http_uri": {"uri": f"http://gateway{path}", "cluster": cluster, "timeout": "1s"},
            # Fetched on demand: Envoy fetches in advance on its main thread, which cannot reach the listener
            # behind the cache.
            "cache_duration": f"{_JWKS_CACHE_S}s",
        },
    }


def _requirement(rpc: RpcSpec, providers: Iterable[str]) -> dict[str, Any]:
    """Return what a call needs. Of a token that no provider knows Envoy says that it is missing."""
    accepted: list[dict[str, Any]] = [{"provider_name": name} for name in providers]
    if rpc.is_public or rpc.policy.ticket:
        accepted.append({"allow_missing": {}})
    return {"requires_any": {"requirements": accepted}} if len(accepted) > 1 else accepted[0]
