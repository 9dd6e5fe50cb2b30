"""Rate limits at the edge: the descriptors of a call, by the class that its contract declares."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Final

from chassis.client_network import CLIENT_NETWORK_BITS, EMBEDDED_IPV4_FORMS
from chassis.contracts import RpcSpec
from gateway import envoy_types
from gateway.envoy.quota_policy import DEFAULT_QUOTA_POLICY, QuotaPolicy
from gateway.envoy.quotas import has_quota, rate_limit_class, render_no_quota_lua, render_quota_lua
from gateway.envoy.tokens import CLAIMS_KEY, JWT_FILTER
from gateway.envoy_types import typed_extension
from gateway.ratelimit.rules import RATE_LIMIT_DOMAIN

CALLER_FILTER: Final = "envoy.filters.http.lua.caller"
RATE_LIMIT_FILTER: Final = "envoy.filters.http.ratelimit"
RATE_LIMIT_CLUSTER: Final = "ratelimit"
CALLER_METADATA: Final = "internshipconnect.caller"
"""The metadata in which `caller.lua` names the client, and the account that the call is about."""
NETWORK_SUFFIXES: Final = ("", "_56", "_48")
"""The client itself, and the IPv6 networks around it; see `chassis/client_network.py`."""
RATE_LIMIT_TIMEOUT_S: Final = 0.1
"""Twice the limiter's own time-out for Redis."""
_LUA_FOLDER: Final = Path(__file__).with_name("lua")
_CLIENT_NETWORK_LUA: Final = _LUA_FOLDER / "client_network.lua"
_CALLER_LUA: Final = _LUA_FOLDER / "caller.lua"


def caller_filter(rpcs: Iterable[RpcSpec]) -> dict[str, Any]:
    """Return the filter that identifies the client.

    It is always there: otherwise clients could claim an identity.
    """
    return typed_extension(
        CALLER_FILTER, envoy_types.LUA, default_source_code={"inline_string": render_caller_lua(rpcs)}
    )


def quota_settings(rpcs: Sequence[RpcSpec], listener: str, policy: QuotaPolicy) -> dict[str, Any]:
    """Return the settings of a virtual host with which that filter counts as well.

    Listeners that share a route configuration share the state of its scripts.
    """
    source = {"inline_string": render_caller_lua(rpcs, listener, policy)}
    return {CALLER_FILTER: {"@type": envoy_types.LUA_PER_ROUTE, "source_code": source}}


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


def render_caller_lua(
    rpcs: Iterable[RpcSpec], listener: str | None = None, policy: QuotaPolicy = DEFAULT_QUOTA_POLICY
) -> str:
    """Return the script that knows the caller, and with a `listener` also counts its calls.

    It has the fields that name an account, by path and field number.
    """
    calls = tuple(rpcs)
    rows = (
        f'  ["{rpc.path}"] = {fields[rpc.policy.rate_limit_account].number}'
        for rpc in calls
        for fields in (rpc.request_type.DESCRIPTOR.fields_by_name,)
        if rpc.policy.rate_limit_account
    )
    suffixes = ", ".join(f'"{suffix}"' for suffix in NETWORK_SUFFIXES)
    tables = (
        "local ACCOUNT_FIELD = {\n" + ",\n".join(rows) + "\n}",
        f"local NETWORK_SUFFIXES = {{ {suffixes} }}",
        f'local CALLER = "{CALLER_METADATA}"',
    )
    quotas = render_no_quota_lua() if listener is None else render_quota_lua(calls, listener, policy)
    return "\n".join((*tables, render_client_network_lua(), quotas, _CALLER_LUA.read_text()))


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
    """Return the descriptors for which the limiter is asked; Envoy leaves out those with a missing part."""
    class_ = rate_limit_class(rpc)
    if class_ == "INTERNAL" or has_quota(rpc):
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
    ]


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
