"""Rate limits at the edge: the descriptors of a call, by the class that its contract declares."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

from chassis.client_network import CLIENT_NETWORK_BITS, EMBEDDED_IPV4_FORMS
from chassis.contracts import RpcSpec
from gateway import envoy_types
from gateway.envoy.tokens import CLAIMS_KEY, JWT_FILTER
from gateway.envoy_types import typed_extension
from internshipconnect.options.v1.options_pb2 import RateLimitClass

CALLER_FILTER: Final = "envoy.filters.http.lua.caller"
RATE_LIMIT_FILTER: Final = "envoy.filters.http.ratelimit"
RATE_LIMIT_DOMAIN: Final = "internshipconnect"
RATE_LIMIT_CLUSTER: Final = "ratelimit"
CALLER_METADATA: Final = "internshipconnect.caller"
"""The metadata in which `caller.lua` names the client, and the account that the call is about."""
NETWORK_SUFFIXES: Final = ("", "_56", "_48")
"""The client itself, and the IPv6 networks around it; see `chassis/client_network.py`."""
ORIGINAL_PATH_HEADER: Final = "x-envoy-original-path"
"""Set by the transcoder; gRPC calls lack it, so each of their searches counts."""
RATE_LIMIT_TIMEOUT_S: Final = 0.1
"""Twice the limiter's own time-out for Redis."""
_LUA_FOLDER: Final = Path(__file__).with_name("lua")
_CLIENT_NETWORK_LUA: Final = _LUA_FOLDER / "client_network.lua"
_CALLER_LUA: Final = _LUA_FOLDER / "caller.lua"
_CLASS_PREFIX: Final = "RATE_LIMIT_CLASS_"


def caller_filter(rpcs: Iterable[RpcSpec]) -> dict[str, Any]:
    """Return the filter that identifies the client.

    It is always there: otherwise clients could claim an identity.
    """
    return typed_extension(
        CALLER_FILTER, envoy_types.LUA, default_source_code={"inline_string": render_caller_lua(rpcs)}
    )


def rate_limit_filter() -> dict[str, Any]:
    """Return the filter that calls the limiter. When the limiter does not answer, the call passes."""
    return typed_extension(
        RATE_LIMIT_FILTER,
        envoy_types.RATE_LIMIT,
        domain=RATE_LIMIT_DOMAIN,
        timeout=f"{RATE_LIMIT_TIMEOUT_S}s",
        failure_mode_deny=False,
        rate_limited_as_resource_exhausted=True,
        rate_limit_service={
            "grpc_service": {"envoy_grpc": {"cluster_name": RATE_LIMIT_CLUSTER}},
            "transport_api_version": "V3",
        },
    )


def render_caller_lua(rpcs: Iterable[RpcSpec]) -> str:
    """Return the script with the fields that name an account, by path and field number."""
    rows = (
        f'  ["{rpc.path}"] = {fields[rpc.policy.rate_limit_account].number}'
        for rpc in rpcs
        for fields in (rpc.request_type.DESCRIPTOR.fields_by_name,)
        if rpc.policy.rate_limit_account
    )
    table = "local ACCOUNT_FIELD = {\n" + ",\n".join(rows) + "\n}\n"
    return "\n".join((table, render_client_network_lua(), _CALLER_LUA.read_text()))


def render_client_network_lua() -> str:
    """Return the script that knows what one client is, with the tables of that rule."""
    forms = ", ".join(
        f"{{ prefix = {{ {', '.join(map(str, form.prefix))} }}, position = {form.position}, "
        f"is_inverted = {str(form.is_inverted).lower()} }}"
        for form in EMBEDDED_IPV4_FORMS
    )
    bits = ", ".join(map(str, CLIENT_NETWORK_BITS))
    tables = (
        f"local EMBEDDED_IPV4_FORMS = {{ {forms} }}",
        f"local CLIENT_NETWORK_BITS = {{ {bits} }}",
    )
    return "\n".join((*tables, _CLIENT_NETWORK_LUA.read_text()))


def rate_limit_actions(rpc: RpcSpec) -> list[dict[str, Any]]:
    """Return the descriptors of a call; Envoy leaves out those with a missing part."""
    class_ = RateLimitClass.Name(rpc.policy.rate_limit).removeprefix(_CLASS_PREFIX)
    if class_ == "INTERNAL":
        return []
    of_class = _generic_key("class", class_)
    if class_ == "LOGIN":
        # Auth counts failed sign-ins, which only it knows; here only floods are limited.
        return _client_actions(of_class)
    if rpc.policy.rate_limit_account:
        return _account_actions(of_class, _generic_key("call", rpc.name))
    return [
        {"actions": [of_class, _claim_metadata("plan", "plan"), _claim_metadata("user", "sub")]},
        *({"actions": [of_class, _caller_metadata(f"address{around}")]} for around in NETWORK_SUFFIXES),
        *_search_actions(class_, of_class),
    ]


def _search_actions(class_: str, of_class: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the descriptor of the search text: it limits nothing; typing on counts as one search."""
    path = {"header_name": ORIGINAL_PATH_HEADER, "descriptor_key": "search"}
    return [{"actions": [of_class, {"request_headers": path}]}] if class_ == "SEARCH" else []


def _account_actions(*of_call: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the descriptors of an anonymous call about an account: by call, client and account."""
    account = _caller_metadata("account")
    return [
        {"actions": [*of_call, account, _caller_metadata("client")]},
        {"actions": [*of_call, account]},
        *_client_actions(*of_call),
    ]


def _client_actions(*of_call: dict[str, Any]) -> list[dict[str, Any]]:
    return [{"actions": [*of_call, _caller_metadata(f"client{around}")]} for around in NETWORK_SUFFIXES]


def _generic_key(descriptor: str, value: str) -> dict[str, Any]:
    return {"generic_key": {"descriptor_key": descriptor, "descriptor_value": value}}


def _claim_metadata(descriptor: str, claim: str) -> dict[str, Any]:
    return _metadata_action(descriptor, JWT_FILTER, CLAIMS_KEY, claim)


def _caller_metadata(name: str) -> dict[str, Any]:
    return _metadata_action(name, CALLER_METADATA, name)


def _metadata_action(descriptor: str, namespace: str, *path: str) -> dict[str, Any]:
    place = {"key": namespace, "path": [{"key": key} for key in path]}
    return {"metadata": {"descriptor_key": descriptor, "metadata_key": place, "source": "DYNAMIC"}}
