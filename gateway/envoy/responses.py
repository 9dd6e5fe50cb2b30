"""What every answer carries: security headers, who may read it in a browser, and in which compression."""

from collections.abc import Iterable, Sequence
from typing import Any, Final

from chassis.contracts import RpcSpec
from gateway import envoy_types as types
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
"""What a page of another origin may send."""
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
"""What it may read."""
SECURITY_HEADERS: Final = (
    ("content-security-policy", "default-src 'none'; frame-ancestors 'none'"),
    ("cross-origin-resource-policy", "cross-origin"),
    ("referrer-policy", "no-referrer"),
    ("x-content-type-options", "nosniff"),
    ("x-frame-options", "DENY"),
)
NO_STORE_HEADER: Final = ("cache-control", "no-store")
"""Unless a contract says otherwise, nobody keeps an answer."""
HSTS_HEADER: Final = ("strict-transport-security", "max-age=31536000")
HEADER_MUTATION_FILTER: Final = "envoy.filters.http.header_mutation"
REMOVED_REQUEST_HEADERS: Final = (
    "grpc-internal-encoding-request",
    "grpc-previous-rpc-attempts",
    ".*-bin",
    ".*[^0-9a-z_.:-].*",
)
"""Names of request headers that HTTP allows and of which gRPC would make an error without a reason: its own,
those whose values it takes for base64, and those with characters that it does not know."""
REFUSED_REQUEST_HEADER: Final = "x-ic-refused-request"
"""By which the listener says to the script what it refused; no answer has it that leaves the gateway."""
_MIN_COMPRESSED_BYTES: Final = 860
"""Below this an answer fits one packet anyhow."""
_MIN_ERROR_STATUS: Final = 400
_PREFLIGHT_MAX_AGE_S: Final = 86_400


def header_value_option(name: str, value: str) -> dict[str, Any]:
    """Return a header of a route's answers."""
    return {"header": {"key": name, "value": value}, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}


def header_mutation_filter(*, tls: bool) -> dict[str, Any]:
    """Return the filter that adds the headers of all answers, also of Envoy's own and the cache's.

    What has such a header already keeps it. Of requests it takes what no service can read.
    """
    headers = (*SECURITY_HEADERS, NO_STORE_HEADER, *([HSTS_HEADER] if tls else []))
    unreadable = {"key_matcher": {"safe_regex": {"regex": "|".join(REMOVED_REQUEST_HEADERS)}}}
    return typed_extension(
        HEADER_MUTATION_FILTER,
        types.HEADER_MUTATION,
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
    """Settings of a route whose answers all carry these headers, from wherever they come."""
    mutations = {"response_mutations": [{"append": header_value_option(*one)} for one in headers]}
    return {HEADER_MUTATION_FILTER: {"@type": types.HEADER_MUTATION_PER_ROUTE, "mutations": mutations}}


def _add_if_absent(name: str, value: str) -> dict[str, Any]:
    return {"append": {"header": {"key": name, "value": value}, "append_action": "ADD_IF_ABSENT"}}


def cors_policy(origins: Sequence[str], rpcs: Iterable[RpcSpec]) -> dict[str, Any]:
    """Pages of these origins may call: exact ones such as `https://app.example.com`, or `*` for all."""
    methods = sorted({binding.method for rpc in rpcs for binding in rpc.http} | {"OPTIONS"})
    return {
        "@type": types.CORS_POLICY,
        "allow_origin_string_match": [
            {"safe_regex": {"regex": ".*"}} if origin == "*" else {"exact": origin} for origin in origins
        ],
        "allow_methods": ",".join(methods),
        "allow_headers": ",".join(CORS_REQUEST_HEADERS),
        "expose_headers": ",".join(CORS_RESPONSE_HEADERS),
        "max_age": str(_PREFLIGHT_MAX_AGE_S),
        # Tokens travel in a header that a page sets itself; cookies play no part.
        "allow_credentials": False,
    }


def compressor_filters() -> list[dict[str, Any]]:
    """Brotli for whom can read it, gzip for the others. Streams are left alone: they must not wait."""
    return [
        _compressor("brotli", "envoy.compression.brotli.compressor", types.BROTLI, quality=4),
        _compressor("gzip", "envoy.compression.gzip.compressor", types.GZIP, compression_level="BEST_SPEED"),
    ]


def _compressor(name: str, library: str, type_url: str, **settings: Any) -> dict[str, Any]:
    return typed_extension(
        f"envoy.filters.http.compressor.{name}",
        types.COMPRESSOR,
        compressor_library=typed_extension(library, type_url, **settings),
        choose_first=name == "brotli",
        response_direction_config={
            "common_config": {
                "min_content_length": _MIN_COMPRESSED_BYTES,
                "content_type": ["application/json", "text/html"],
            }
        },
    )
