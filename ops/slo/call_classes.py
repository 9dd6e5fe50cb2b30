"""The classes of calls that objectives tell apart, as the contracts declare them."""

from collections import defaultdict
from collections.abc import Mapping
from typing import Final

from chassis.contracts import RpcSpec, imported_contracts
from internshipconnect.options.v1 import options_pb2

_CLASS_BY_LIMIT: Final[Mapping[int, str]] = {
    options_pb2.RATE_LIMIT_CLASS_SEARCH: "search",
    options_pb2.RATE_LIMIT_CLASS_SUGGEST: "search",
    options_pb2.RATE_LIMIT_CLASS_LOGIN: "sign-in",
    options_pb2.RATE_LIMIT_CLASS_SIGN_UP: "sign-in",
    options_pb2.RATE_LIMIT_CLASS_INTERNAL: "internal",
}
SIGN_IN: Final = "sign-in"


def classify_call(rpc: RpcSpec) -> str:
    """Return the class of an RPC: `search`, `sign-in`, `internal`, and of all others `read` or `write`."""
    found = _CLASS_BY_LIMIT.get(rpc.policy.rate_limit)
    return found or ("read" if rpc.has_no_side_effects else "write")


def calls_by_class() -> Mapping[tuple[str, str], list[RpcSpec]]:
    """Return the calls by service and class, in order of their names.

    Streams are left out: they last until somebody ends them.
    """
    found: defaultdict[tuple[str, str], list[RpcSpec]] = defaultdict(list)
    for rpc in imported_contracts().rpcs:
        if not rpc.server_streaming:
            found[rpc.service.split(".")[1], classify_call(rpc)].append(rpc)
    return {key: sorted(found[key], key=lambda rpc: rpc.name) for key in sorted(found)}
