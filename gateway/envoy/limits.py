"""Rate limits at the edge: what the limiter is told of a call, by the class that its contract declares."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

from chassis.contracts import RpcSpec
from gateway import envoy_types as types
from gateway.envoy.tokens import CLAIMS
from gateway.envoy.tokens import FILTER as TOKEN_FILTER
from gateway.envoy_types import extension
from internshipconnect.options.v1.options_pb2 import RateLimitClass

CALLER: Final = "envoy.filters.http.lua.caller"
RATE_LIMIT: Final = "envoy.filters.http.ratelimit"
DOMAIN: Final = "internshipconnect"
CLUSTER: Final = "ratelimit"
ADDRESS_HEADER: Final = "x-ic-address"
ACCOUNT_HEADER: Final = "x-ic-account"
ORIGINAL_PATH_HEADER: Final = "x-envoy-original-path"
"""Set by the transcoder; gRPC callers have none, and each of their searches counts."""
ANSWERS_WITHIN_S: Final = 0.1
"""Twice what the limiter itself waits for Redis."""
_CALLER_LUA: Final = Path(__file__).parent.with_name("caller.lua")
_PREFIX: Final = "RATE_LIMIT_CLASS_"


def limit_filters(rpcs: Iterable[RpcSpec]) -> list[dict[str, Any]]:
    """First who calls is found out, then the limiter is asked. When it does not answer, the call passes."""
    return [
        extension(
            CALLER,
            types.LUA,
            default_source_code={"inline_string": caller_source(rpcs)},
        ),
        extension(
            RATE_LIMIT,
            types.RATE_LIMIT,
            domain=DOMAIN,
            timeout=f"{ANSWERS_WITHIN_S}s",
            failure_mode_deny=False,
            rate_limited_as_resource_exhausted=True,
            rate_limit_service={
                "grpc_service": {"envoy_grpc": {"cluster_name": CLUSTER}},
                "transport_api_version": "V3",
            },
        ),
    ]


def caller_source(rpcs: Iterable[RpcSpec]) -> str:
    """The script with the fields that name an account, by path and field number."""
    rows = (
        f'  ["{rpc.path}"] = {rpc.request.DESCRIPTOR.fields_by_name[rpc.policy.rate_limit_account].number}'
        for rpc in rpcs
        if rpc.policy.rate_limit_account
    )
    return "local ACCOUNT_FIELD = {\n" + ",\n".join(rows) + "\n}\n" + _CALLER_LUA.read_text()


def rate_limits(rpc: RpcSpec) -> list[dict[str, Any]]:
    """The descriptors of a call: by user, by address, by account; those that a call lacks are left out."""
    class_ = RateLimitClass.Name(rpc.policy.rate_limit).removeprefix(_PREFIX)
    if class_ == "INTERNAL":
        return []
    by_class = {"generic_key": {"descriptor_key": "class", "descriptor_value": class_}}
    limits = [
        {"actions": [by_class, _claim("plan", "plan"), _claim("user", "sub")]},
        {"actions": [by_class, _header("address", ADDRESS_HEADER)]},
    ]
    if rpc.policy.rate_limit_account:
        limits.append({"actions": [by_class, _header("account", ACCOUNT_HEADER)]})
    return [*limits, *_search(class_, by_class)]


def _search(class_: str, by_class: dict[str, Any]) -> list[dict[str, Any]]:
    """What is searched for: it limits nothing, and what is typed on counts as one search."""
    path = {"header_name": ORIGINAL_PATH_HEADER, "descriptor_key": "search"}
    return [{"actions": [by_class, {"request_headers": path}]}] if class_ == "SEARCH" else []


def _claim(descriptor: str, claim: str) -> dict[str, Any]:
    place = {"key": TOKEN_FILTER, "path": [{"key": CLAIMS}, {"key": claim}]}
    return {"metadata": {"descriptor_key": descriptor, "metadata_key": place, "source": "DYNAMIC"}}


def _header(descriptor: str, header: str) -> dict[str, Any]:
    return {"request_headers": {"header_name": header, "descriptor_key": descriptor}}
