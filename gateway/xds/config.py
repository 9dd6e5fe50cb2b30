"""Parts of resources that Envoy and gRPC read alike."""

from typing import Any, Final

RETRY_SETTINGS: Final[dict[str, Any]] = {
    "num_retries": 2,
    "retry_back_off": {"base_interval": "0.025s", "max_interval": "0.250s"},
}
"""How often a call is retried, and after which backoff, at the gateway and among services."""


def ads_config_source() -> dict[str, Any]:
    """Return a configuration source that refers to the stream that carries this resource."""
    return {"ads": {}, "resource_api_version": "V3"}


def format_duration(value: float) -> str:
    """Format a duration in seconds as protobuf's JSON writes it."""
    return f"{value:.3f}s"
