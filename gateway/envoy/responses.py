"""Parts of all answers: security headers, CORS, compression."""

from collections.abc import Iterable, Sequence
from typing import Any, Final

from chassis.contracts import RpcSpec
from gateway import envoy_types
from gateway.envoy_types import typed_extension

CORS_REQUEST_HEADERS: Final = (
    "authorization",
    "content-type",
    "grpc-timeout",
    "idempotency-key",
    "if-none-match",
    "last-event-id",
    "traceparent",
    "x-grpc-web",
    "x-request-id",
    "x-user-agent",
)
"""Request headers that a page of another origin may send."""
CORS_RESPONSE_HEADERS: Final = (
    "age",
    "deprecation",
    "etag",
    "grpc-message",
    "grpc-status",
    "grpc-status-details-bin",
    "ratelimit",
    "ratelimit-policy",
    "retry-after",
    "sunset",
    "x-cache",
    "x-ratelimit-limit",
    "x-ratelimit-remaining",
    "x-ratelimit-reset",
    "x-request-id",
    "x-stale",
)
"""Response headers that it may read."""
SECURITY_HEADERS: Final = (
    ("content-security-policy", "default-src 'none'; frame-ancestors 'none'"),
    ("cross-origin-resource-policy", "cross-origin"),
    ("referrer-policy", "no-referrer"),
    ("x-content-type-options", "nosniff"),
    ("x-frame-options", "DENY"),
)
NO_STORE_HEADER: Final = ("cache-control", "no-store")
"""For answers without a cache duration in their contract."""
HSTS_HEADER: Final = ("strict-transport-security", "max-age=31536000")
HEADER_MUTATION_FILTER: Final = "envoy.filters.http.header_mutation"
REMOVED_REQUEST_HEADERS: Final = (
    "grpc-internal-encoding-request",
    "grpc-previous-rpc-attempts",
    ".*-bin",
    ".*[^0-9a-z_.:-].*",
)
"""Request headers that HTTP allows and gRPC refuses without a reason: gRPC's own, those whose values it reads
as base64, and those with characters that it does not accept."""
REFUSED_REQUEST_HEADER: Final = "x-ic-refused-request"
"""Names for the script what the listener refused; removed before an answer leaves the gateway."""
_MIN_COMPRESSED_BYTES: Final = 860
"""Below this size an answer fits into one packet anyway."""
_MIN_ERROR_STATUS: Final = 400
_PREFLIGHT_MAX_AGE_S: Final = 86_400


def header_value_option(name: str, value: str) -> dict[str, Any]:
    """Return a header of a route's answers."""
    return {"header": {"key": name, "value": value}, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}


def header_mutation_filter(*, tls: bool) -> dict[str, Any]:
    """Return the filter that adds the headers of all answers, also of Envoy's own and the cache's.

    A header that an answer has already is kept. Request headers that services cannot read are removed.
    """
    headers = (*SECURITY_HEADERS, NO_STORE_HEADER, *([HSTS_HEADER] if tls else []))
    unreadable = {"key_matcher": {"safe_regex": {"regex": "|".join(REMOVED_REQUEST_HEADERS)}}}
    return typed_extension(
        HEADER_MUTATION_FILTER,
        envoy_types.HEADER_MUTATION,
        mutations={
            "request_mutations": [{"remove_on_match": unreadable}],
            "response_mutations": [
                {"remove": REFUSED_REQUEST_HEADER},
                *(_add_if_absent(*one) for one in headers),
            ],
        },
    )


def local_reply_config() -> dict[str, Any]:
    """Return what Envoy's own refusals carry to the script: the method, and the cause.

    Some requests are refused before any filter sees them, and of those an answer says nothing else.
    """
    refused = {"op": "GE", "value": {"default_value": _MIN_ERROR_STATUS, "runtime_key": "min_error_status"}}
    header = header_value_option(REFUSED_REQUEST_HEADER, "%REQ(:METHOD)% %RESPONSE_CODE_DETAILS%")
    return {
        "mappers": [{"filter": {"status_code_filter": {"comparison": refused}}, "headers_to_add": [header]}]
    }


def route_response_headers(*headers: tuple[str, str]) -> dict[str, Any]:
    """Return the settings of a route that add these headers to all its answers, also to Envoy's own."""
    mutations = {"response_mutations": [{"append": header_value_option(*one)} for one in headers]}
    return {HEADER_MUTATION_FILTER: {"@type": envoy_types.HEADER_MUTATION_PER_ROUTE, "mutations": mutations}}


def _add_if_absent(name: str, value: str) -> dict[str, Any]:
    return {"append": {"header": {"key": name, "value": value}, "append_action": "ADD_IF_ABSENT"}}


def cors_policy(origins: Sequence[str], rpcs: Iterable[RpcSpec]) -> dict[str, Any]:
    """Return the CORS policy for these origins, exact ones such as `https://app.example.com`, or `*`."""
    methods = sorted({binding.method for rpc in rpcs for binding in rpc.http} | {"OPTIONS"})
    return {
        "@type": envoy_types.CORS_POLICY,
        "allow_origin_string_match": [
            {"safe_regex": {"regex": ".*"}} if origin == "*" else {"exact": origin} for origin in origins
        ],
        "allow_methods": ",".join(methods),
        "allow_headers": ",".join(CORS_REQUEST_HEADERS),
        "expose_headers": ",".join(CORS_RESPONSE_HEADERS),
        "max_age": str(_PREFLIGHT_MAX_AGE_S),
        # Pages set the header with the token themselves; cookies are not used.
        "allow_credentials": False,
    }


def compressor_filters() -> list[dict[str, Any]]:
    """Return the compressors: Brotli for clients that accept it, gzip for others.

    Streams must not wait for either.
    """
    return [
        _compressor("brotli", "envoy.compression.brotli.compressor", envoy_types.BROTLI, quality=4),
        _compressor(
            "gzip", "envoy.compression.gzip.compressor", envoy_types.GZIP, compression_level="BEST_SPEED"
        ),
    ]


def _compressor(name: str, library: str, type_url: str, **settings: Any) -> dict[str, Any]:
    return typed_extension(
        f"envoy.filters.http.compressor.{name}",
        envoy_types.COMPRESSOR,
        compressor_library=typed_extension(library, type_url, **settings),
        choose_first=name == "brotli",
        response_direction_config={
            "common_config": {
                "min_content_length": _MIN_COMPRESSED_BYTES,
                "content_type": ["application/json", "text/html"],
            }
        },
    )
