"""Quotas at the edge: the classes that Envoy limits by itself, with allowances that the limiter assigns.

The script (`lua/quota*.lua`) counts in the worker that handles a call. It reports to the limiter once an
interval, over an internal listener whose routes are those of the calls: a script of a route configuration has
one state for all listeners of a worker, so the answer arrives where the calls are counted, and no call waits.
"""

from collections.abc import Iterable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from chassis.contracts import RpcSpec
from gateway import envoy_types
from gateway.api_surface import REFLECTION_METHOD, REFLECTION_SERVICES
from gateway.envoy.quota_policy import DEFAULT_QUOTA_POLICY, QuotaPolicy
from gateway.envoy_types import typed_extension
from gateway.ratelimit.quota_messages import QUOTA_METHOD
from gateway.xds.config import format_duration
from internshipconnect.options.v1.options_pb2 import RateLimitClass

QUOTA_CLASSES: Final = frozenset({"PUBLIC_API", "SEARCH", "SUGGEST"})
"""The others count what must be exact, such as registrations: each of their calls asks the limiter."""
QUOTA_HEADER: Final = "x-ic-quota-report"
"""Marks a report of the script; the listener removes it from the requests of clients."""
QUOTA_LISTENER: Final = "quota"
"""The internal listener that reports pass, and its cluster; with a suffix for that of another listener."""
QUOTA_METADATA: Final = "internshipconnect.quota"
"""The metadata with what the answer to a call says of its limit, or that the call is a report."""
_LUA_FOLDER: Final = Path(__file__).with_name("lua")
_LUA_FILES: Final = ("quota_search.lua", "quota_buckets.lua", "quota_reports.lua", "quota.lua")
_CLASS_PREFIX: Final = "RATE_LIMIT_CLASS_"


def rate_limit_class(rpc: RpcSpec) -> str:
    """Return the class without its prefix, e.g. `SEARCH`."""
    return RateLimitClass.Name(rpc.policy.rate_limit).removeprefix(_CLASS_PREFIX)


def has_quota(rpc: RpcSpec) -> bool:
    """Return whether the edge limits the call by itself."""
    return rate_limit_class(rpc) in QUOTA_CLASSES


def render_quota_lua(
    rpcs: Iterable[RpcSpec], listener: str, policy: QuotaPolicy = DEFAULT_QUOTA_POLICY
) -> str:
    """Return the script with its figures, and the classes of the calls by path."""
    classes = {rpc.path: rate_limit_class(rpc) for rpc in rpcs if has_quota(rpc)}
    classes |= {f"/{service}/{REFLECTION_METHOD}": "PUBLIC_API" for service in REFLECTION_SERVICES}
    rows = ",\n".join(f'  ["{path}"] = "{name}"' for path, name in classes.items())
    figures = ", ".join(f"{name} = {value}" for name, value in _policy_figures(policy).items())
    names = (
        f'method = "{QUOTA_METHOD}", header = "{QUOTA_HEADER}", listener = "{quota_cluster_name(listener)}"'
    )
    tables = (
        f"local QUOTA = {{ {figures}, {names} }}",
        f"local QUOTA_CLASS = {{\n{rows}\n}}",
        f'local QUOTA_METADATA = "{QUOTA_METADATA}"',
    )
    return "\n".join((*tables, *((_LUA_FOLDER / name).read_text() for name in _LUA_FILES)))


def render_no_quota_lua() -> str:
    """Return the tables of a script that counts nothing."""
    return "local QUOTA, QUOTA_CLASS = {}, {}\nlocal QUOTA_METADATA, enforce_quota"


def _policy_figures(policy: QuotaPolicy) -> Mapping[str, float]:
    """Return the policy's figures in the script's units: milliseconds."""
    return {
        f"{name.removesuffix('_s')}_ms" if name.endswith("_s") else name: (
            round(value * 1000) if name.endswith("_s") else value
        )
        for name, value in asdict(policy).items()
    }


def quota_cluster_name(listener: str) -> str:
    """Return the name of the internal listener, and of its cluster, for the reports of one listener."""
    return f"{QUOTA_LISTENER}-{listener}"


def quota_report_route(cluster: str, policy: QuotaPolicy) -> dict[str, Any]:
    """Return the route of reports, to the limiter's cluster."""
    return {
        "match": {"path": QUOTA_METHOD, "headers": [{"name": QUOTA_HEADER, "present_match": True}]},
        "route": {"cluster": cluster, "timeout": format_duration(policy.report_timeout_s)},
    }


def report_header_removal() -> dict[str, Any]:
    """Return the extension that removes the mark of reports from what clients send, before routing."""
    return typed_extension(
        "envoy.http.early_header_mutation.header_mutation",
        envoy_types.EARLY_HEADER_MUTATION,
        mutations=[{"remove": QUOTA_HEADER}],
    )
