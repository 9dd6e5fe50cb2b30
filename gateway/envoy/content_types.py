"""How routes and script read `content-type`: as Envoy's transcoder and its filter for gRPC-Web do.

Envoy compares the header's whole value, in lower case and without parameters: `application/grpc`, all that
begins with `application/grpc+`, and four names of gRPC-Web. The transcoder reads every other body as JSON, so
the script checks every other one.
"""

import re
from typing import Any, Final

GRPC_CONTENT_TYPE: Final = "application/grpc"
GRPC_WEB_CONTENT_TYPES: Final = (
    "application/grpc-web",
    "application/grpc-web+proto",
    "application/grpc-web-text",
    "application/grpc-web-text+proto",
)
_GRPC_REGEX: Final = "|".join((rf"{GRPC_CONTENT_TYPE}(\+.*)?", *map(re.escape, GRPC_WEB_CONTENT_TYPES)))


def grpc_content_type_matcher() -> dict[str, Any]:
    """Return a route's condition that a request is one of gRPC or gRPC-Web."""
    return {"name": "content-type", "string_match": {"safe_regex": {"regex": _GRPC_REGEX}}}


def render_content_types() -> str:
    """Lua: `GRPC_CONTENT_TYPE`, and `GRPC_WEB_CONTENT_TYPES` as a set."""
    names = ", ".join(f'["{name}"] = true' for name in GRPC_WEB_CONTENT_TYPES)
    return f'local GRPC_CONTENT_TYPE = "{GRPC_CONTENT_TYPE}"\nlocal GRPC_WEB_CONTENT_TYPES = {{ {names} }}'
