"""API keys at the edge: auth exchanges a key for an access token before tokens are verified."""

from typing import Any, Final

from gateway import envoy_types
from gateway.envoy_types import typed_extension

API_KEY_FILTER: Final = "envoy.filters.http.ext_authz"
API_KEY_PREFIX: Final = "ick_"
"""How keys begin; `services/auth/domain/api_keys.py` makes them."""
KEY_CLUSTER: Final = "auth"
"""The service that knows the keys."""
EXCHANGE_TIMEOUT_S: Final = 1.0
GATEWAY_METADATA: Final = "internshipconnect.gateway"
"""The metadata of the script, which says there whether a request has a key."""
_HTTP_UNAVAILABLE: Final = 503


def api_key_filter() -> dict[str, Any]:
    """Return the filter that replaces a key by a token, or refuses it. Requests without a key pass untouched.

    While auth does not answer, requests with a key are refused with 503.
    """
    has_key = {
        "filter": GATEWAY_METADATA,
        "path": [{"key": "has_api_key"}],
        "value": {"bool_match": True},
    }
    return typed_extension(
        API_KEY_FILTER,
        envoy_types.EXTERNAL_AUTHORIZATION,
        grpc_service={
            "envoy_grpc": {"cluster_name": KEY_CLUSTER},
            "timeout": f"{EXCHANGE_TIMEOUT_S}s",
        },
        transport_api_version="V3",
        failure_mode_allow=False,
        status_on_error={"code": _HTTP_UNAVAILABLE},
        allowed_headers={"patterns": [{"exact": "authorization"}]},
        filter_enabled_metadata=has_key,
    )
