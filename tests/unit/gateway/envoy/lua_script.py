"""The edge's script in the Lua that Envoy runs, called from Python."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import lupa.luajit21 as lupa

from chassis.contracts import Contracts
from gateway.envoy.filters import render_lua_source

_EXPORTS = """
return {
  local_reply = function(status, text, saved)
    local handle = fake_handle({ [":status"] = status, ["content-type"] = "text/plain" }, text, saved)
    envoy_on_response(handle)
    return handle.values[":status"], handle.values["content-type"], handle.text
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
  is_grpc = is_grpc_content_type,
  ask = function(values, body)
    local handle = fake_handle(values, body, {})
    envoy_on_request(handle)
    return handle.status, handle.text, handle.saved
  end,
  answer = function(values, body, saved)
    local handle = fake_handle(values, body, saved)
    envoy_on_response(handle)
    return handle.values[":status"], handle.text
  end,
}
"""
_FAKE_HANDLE = """
local function fake_headers(values)
  return setmetatable(values, { __index = {
    get = rawget, replace = rawset, add = rawset,
    remove = function(self, name) rawset(self, name, nil) end,
    getNumValues = function(self, name) return rawget(self, name) and 1 or 0 end,
  } })
end

-- What Envoy gives to the script, for one request or one answer.
local function fake_handle(values, text, saved)
  local handle = { values = fake_headers(values), text = text, saved = saved }
  local metadata = {
    get = function(_, name) return handle.saved end,
    set = function(_, name, key, value)
      handle.saved = handle.saved or {}
      handle.saved[key] = value
    end,
  }
  local body = {
    length = function() return #handle.text end,
    getBytes = function() return handle.text end,
    setBytes = function(_, bytes) handle.text = bytes end,
  }
  function handle:headers() return self.values end
  function handle:body(is_wanted) return (is_wanted or #self.text > 0) and body or nil end
  function handle:metadata() return { get = function() end } end
  function handle:streamInfo() return { dynamicMetadata = function() return metadata end } end
  function handle:respond(headers, sent) self.status, self.text = headers[":status"], sent end
  function handle:logErr(problem) error(problem) end
  return handle
end
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
        self._script: Any = self._lua.execute(render_lua_source(contracts) + _FAKE_HANDLE + _EXPORTS)

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
        saved = None if path is None else self._lua.table_from({"path": path, "has_body": True})
        found, content_type, body = self._script.local_reply(str(status), text, saved)
        return int(found), str(content_type), str(body)

    def matches_etag(self, if_none_match: str, etag: str) -> bool:
        """Return whether `If-None-Match` names an etag."""
        return bool(self._script.matches_etag(if_none_match, etag))

    def is_grpc(self, content_type: str) -> bool:
        """Whether the script leaves a request with this `content-type` to gRPC."""
        return bool(self._script.is_grpc(content_type))

    def ask(self, method: str, path: str, body: str = "", **headers: str) -> tuple[str, str] | None:
        """Return status and body of the script's own answer to a request; None when it lets it pass."""
        values = {":method": method, ":path": path, **_header_names(headers)}
        status, text, _ = self.raw_ask(values, body)
        return None if status is None else (str(status), str(text))

    def raw_ask(self, values: Mapping[str, str], body: str = "") -> tuple[Any, Any, Any]:
        """Return status and body of the script's own answer, if any, and what it saved of the request."""
        status, text, saved = self._script.ask(self._lua.table_from(values), body)
        return status, text, saved

    def answer(
        self, status: str, body: str, saved: Mapping[str, Any] | None, **headers: str
    ) -> tuple[str, str]:
        """Return status and body of what the script makes of an answer; `saved` is of its request."""
        values = {":status": status, **_header_names(headers)}
        state = None if saved is None else self._lua.table_from(saved)
        status, text = self._script.answer(self._lua.table_from(values), body, state)
        return str(status), str(text)


def _header_names(headers: Mapping[str, str]) -> dict[str, str]:
    return {name.replace("_", "-"): value for name, value in headers.items()}


def _refusal(found: Any) -> ScriptRefusal | None:
    if not found:
        return None
    violations = {str(each.field): str(each.description) for each in _items(found.violations)}
    return ScriptRefusal(str(found.reason), violations, str(found.message or ""))


def _items(table: Any) -> Iterable[Any]:
    return table.values() if table is not None else ()
