"""Access tokens at the edge, verified with auth's public keys before a call is forwarded."""

from collections.abc import Iterable
from typing import Any, Final

from chassis.contracts import RpcSpec
from chassis.security.tokens import AUDIENCE, ISSUER
from gateway import envoy_types
from gateway.envoy_types import typed_extension

JWT_FILTER: Final = "envoy.filters.http.jwt_authn"
CLAIMS_KEY: Final = "claims"
"""The key of the verified claims in the filter's metadata."""
_JWT_PROVIDER: Final = "users"
_CLOCK_SKEW_S: Final = 5
_MAX_CACHED_TOKENS: Final = 10_000
"""Of each of Envoy's workers; a token has about 500 bytes."""
_JWKS_CACHE_S: Final = 300
"""A key is published a day before it signs, so this may be long."""


def token_filter(rpcs: Iterable[RpcSpec], keys_cluster: str, keys_path: str) -> dict[str, Any]:
    """Return the filter that refuses calls with an invalid token, or without one if the RPC needs it."""
    return typed_extension(
        JWT_FILTER,
        envoy_types.JWT,
        providers={_JWT_PROVIDER: _provider(keys_cluster, keys_path)},
        rules=[{"match": {"path": rpc.path}, "requires": _requirement(rpc)} for rpc in rpcs],
    )


def _provider(cluster: str, path: str) -> dict[str, Any]:
    return {
        "issuer": ISSUER,
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


def _requirement(rpc: RpcSpec) -> dict[str, Any]:
    ours = {"provider_name": _JWT_PROVIDER}
    if rpc.is_public or rpc.policy.ticket:
        return {"requires_any": {"requirements": [ours, {"allow_missing": {}}]}}
    return ours
