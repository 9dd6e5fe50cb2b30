"""The edge's script in the Lua that Envoy runs, called from Python."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import lupa.luajit21 as lupa

from chassis.contracts import Contracts
from gateway.envoy.filters import render_lua_source

_EXPORTS = """
local function fake_handle(headers, body, request_state)
  local metadata = { get = function() return request_state end }
  local streams = { dynamicMetadata = function() return metadata end }
  local header_map = {
    get = function(_, name) return headers[name] end,
    replace = function(_, name, value) headers[name] = value end,
    remove = function(_, name) headers[name] = nil end,
  }
  local bytes = {
    length = function() return #body end,
    getBytes = function() return body end,
    setBytes = function(_, text) body = text end,
  }
  return {
    headers = function() return header_map end,
    body = function() return bytes end,
    streamInfo = function() return streams end,
    metadata = function() return { get = function() end } end,
    answer = function() return headers[":status"], headers["content-type"], body end,
  }
end
return {
  local_reply = function(status, text, path)
    local headers = { [":status"] = status, ["content-type"] = "text/plain" }
    local handle = fake_handle(headers, text, path and { path = path })
    envoy_on_response(handle)
    return handle.answer()
  end,
  call = function(method, path)
    local values = {}
    local node = find_node(TREE, segments_of(path), 1, values)
    return node, node and node.methods[method], values
  end,
  methods = allowed_methods,
  query = read_query,
  body = function(text, binding, values)
    local found = read_body(text, binding.body_type, variables_in_body(binding, values))
    return { present_fields = found.present_fields, refusal = body_refusal(found) }
  end,
  matches_etag = matches_etag,
}
"""


@dataclass(frozen=True)
class ScriptRefusal:
    """Why a request does not pass; `violations` say by field what to do."""

    reason: str
    violations: Mapping[str, str]
    message: str = ""


@dataclass(frozen=True)
class BodyFields:
    """What a body holds, by path."""

    fields: tuple[str, ...]


class EdgeScript:
    """The functions of the script that need no Envoy."""

    def __init__(self, contracts: Contracts) -> None:
        self._lua: Any = lupa.LuaRuntime(encoding="latin-1")
        self._script: Any = self._lua.execute(render_lua_source(contracts) + _EXPORTS)

    def methods(self, path: str) -> str | None:
        """Return what a path takes; None for one that there is not."""
        node, _, _ = self._script.call("GET", path)
        return None if node is None else str(self._script.methods(node))

    def query(self, method: str, path: str, query: str) -> ScriptRefusal | None:
        """Return the violations of a query."""
        _, binding, _ = self._script.call(method, path)
        found = self._script.query(binding, path, query)
        return _refusal(found[0] if isinstance(found, tuple) else found)

    def body(self, method: str, path: str, body: str) -> ScriptRefusal | BodyFields:
        """Return the fields of a body, or its violations."""
        _, binding, values = self._script.call(method, path)
        found = self._script.body(body, binding, values)
        return _refusal(found.refusal) or BodyFields(tuple(_items(found.present_fields)))

    def local_reply(self, status: int, text: str, path: str | None) -> tuple[int, str, str]:
        """Return status, content type and body for a reply of Envoy's own; `path` None: of its codec."""
        found, content_type, body = self._script.local_reply(str(status), text, path)
        return int(found), str(content_type), str(body)

    def matches_etag(self, if_none_match: str, etag: str) -> bool:
        """Return whether `If-None-Match` names an etag."""
        return bool(self._script.matches_etag(if_none_match, etag))


def _refusal(found: Any) -> ScriptRefusal | None:
    if not found:
        return None
    violations = {str(each.field): str(each.description) for each in _items(found.violations)}
    return ScriptRefusal(str(found.reason), violations, str(found.message or ""))


def _items(table: Any) -> Iterable[Any]:
    return table.values() if table is not None else ()
