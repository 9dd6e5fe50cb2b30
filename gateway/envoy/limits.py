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
METADATA: Final = "internshipconnect.caller"
"""Where `caller.lua` says which client calls, and about which account."""
AROUND: Final = ("", "_56", "_48")
"""The client itself, and the IPv6 networks around it; see `client_area.lua`."""
ORIGINAL_PATH_HEADER: Final = "x-envoy-original-path"
"""Set by the transcoder; gRPC callers have none, and each of their searches counts."""
ANSWERS_WITHIN_S: Final = 0.1
"""Twice what the limiter itself waits for Redis."""
_FOLDER: Final = Path(__file__).parent.parent
_CALLER_LUA: Final = (_FOLDER / "client_area.lua", _FOLDER / "caller.lua")
_PREFIX: Final = "RATE_LIMIT_CLASS_"


def caller_filter(rpcs: Iterable[RpcSpec]) -> dict[str, Any]:
    """Finds out who calls. Always there: services go by it, and clients could say it themselves otherwise."""
    return extension(CALLER, types.LUA, default_source_code={"inline_string": caller_source(rpcs)})


def limit_filter() -> dict[str, Any]:
    """Asks the limiter. When it does not answer, the call passes."""
    return extension(
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
    )


def caller_source(rpcs: Iterable[RpcSpec]) -> str:
    """The script with the fields that name an account, by path and field number."""
    rows = (
        f'  ["{rpc.path}"] = {rpc.request.DESCRIPTOR.fields_by_name[rpc.policy.rate_limit_account].number}'
        for rpc in rpcs
        if rpc.policy.rate_limit_account
    )
    table = "local ACCOUNT_FIELD = {\n" + ",\n".join(rows) + "\n}\n"
    return "\n".join((table, *(path.read_text() for path in _CALLER_LUA)))


def rate_limits(rpc: RpcSpec) -> list[dict[str, Any]]:
    """The descriptors of a call; those for which something is missing are left out."""
    class_ = RateLimitClass.Name(rpc.policy.rate_limit).removeprefix(_PREFIX)
    if class_ == "INTERNAL":
        return []
    of_class = _fixed("class", class_)
    if class_ == "LOGIN":
        # Of sign-ins the failures are counted, by auth, which knows them; here only floods are stopped.
        return _by_client(of_class)
    if rpc.policy.rate_limit_account:
        return _by_account(of_class, _fixed("call", rpc.name))
    return [
        {"actions": [of_class, _claim("plan", "plan"), _claim("user", "sub")]},
        *({"actions": [of_class, _seen(f"address{around}")]} for around in AROUND),
        *_search(class_, of_class),
    ]


def _search(class_: str, of_class: dict[str, Any]) -> list[dict[str, Any]]:
    """What is searched for: it limits nothing, and what is typed on counts as one search."""
    path = {"header_name": ORIGINAL_PATH_HEADER, "descriptor_key": "search"}
    return [{"actions": [of_class, {"request_headers": path}]}] if class_ == "SEARCH" else []


def _by_account(*of_call: dict[str, Any]) -> list[dict[str, Any]]:
    """Calls about an account that anybody may make: each call, client and account has an allowance."""
    account = _seen("account")
    return [
        {"actions": [*of_call, account, _seen("client")]},
        {"actions": [*of_call, account]},
        *_by_client(*of_call),
    ]


def _by_client(*of_call: dict[str, Any]) -> list[dict[str, Any]]:
    return [{"actions": [*of_call, _seen(f"client{around}")]} for around in AROUND]


def _fixed(descriptor: str, value: str) -> dict[str, Any]:
    return {"generic_key": {"descriptor_key": descriptor, "descriptor_value": value}}


def _claim(descriptor: str, claim: str) -> dict[str, Any]:
    return _metadata(descriptor, TOKEN_FILTER, CLAIMS, claim)


def _seen(name: str) -> dict[str, Any]:
    return _metadata(name, METADATA, name)


def _metadata(descriptor: str, namespace: str, *path: str) -> dict[str, Any]:
    place = {"key": namespace, "path": [{"key": key} for key in path]}
    return {"metadata": {"descriptor_key": descriptor, "metadata_key": place, "source": "DYNAMIC"}}
