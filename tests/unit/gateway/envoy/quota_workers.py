"""Workers of gateways that count by the script that Envoy runs, before a limiter with a virtual clock."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import lupa.luajit21 as luajit

import internshipconnect
from chassis.contracts import Contracts
from gateway.api_surface import edge_rpcs
from gateway.envoy.quota_policy import DEFAULT_QUOTA_POLICY, QuotaPolicy
from gateway.envoy.rate_limits import render_caller_lua
from gateway.ratelimit.quota_messages import QUOTA_METHOD, format_assignments, parse_reports
from gateway.ratelimit.quotas import QuotaAssigner
from gateway.ratelimit.rules import (
    DescriptorLevel,
    DescriptorNode,
    RateLimit,
    RateLimitRule,
    RateLimitRuleSet,
)
from gateway.ratelimit.sliding_window import MICROSECONDS_PER_SECOND
from tests.fakes.counter_store import InMemoryCounterStore

SEARCH_CALL = "/internshipconnect.internship.v1.InternshipService/ListInternships"
PUBLIC_CALL = "/internshipconnect.internship.v1.InternshipService/GetInternship"
START_MS = 1_700_000_000_000
_FRAME_BYTES = 5
_FAKE_HANDLE = """
-- What Envoy gives to the script, for one request and its answer.
function fake_handle(clock, request, claims, address, limiter)
  local handle = { metadata = { ["envoy.filters.http.jwt_authn"] = claims and { claims = claims } } }
  local current = request
  local headers = {
    get = function(_, name) return current[name] end,
    replace = function(_, name, value) current[name] = value end,
  }
  local metadata = {
    get = function(_, name) return handle.metadata[name] end,
    set = function(_, name, key, value)
      handle.metadata[name] = handle.metadata[name] or {}
      handle.metadata[name][key] = value
    end,
  }
  local info = {
    dynamicMetadata = function() return metadata end,
    downstreamRemoteAddress = function() return address end,
  }
  function handle:headers() return headers end
  function handle:streamInfo() return info end
  function handle:timestamp() return clock() end
  function handle:respond(answer) self.refusal = answer end
  function handle:httpCall(cluster, sent, body, options)
    if type(options) == "table" and options.asynchronous then
      limiter.report(cluster, sent, body)
      return
    end
    local status, answered
    if limiter.answers_later then
      status, answered = coroutine.yield(body)
    else
      status, answered = limiter.ask(body)
    end
    return { [":status"] = status }, answered
  end
  function handle:body()
    return { length = function() return #handle.bytes end, getBytes = function() return handle.bytes end }
  end
  function handle:becomes_answer(values, bytes) current, self.bytes = values, bytes or "" end
  return handle
end

function call_through(clock, request, claims, address, limiter)
  local handle = fake_handle(clock, request, claims, address, limiter)
  envoy_on_request(handle)
  if handle.refusal then
    return handle.refusal
  end
  local answer = { [":status"] = "200" }
  handle:becomes_answer(answer)
  envoy_on_response(handle)
  return answer
end

-- Begins a call, and goes on with it when the limiter's answer is there.
function begin_call(clock, request, claims, address, limiter)
  local running = coroutine.create(call_through)
  local function go_on(...)
    local _, result = assert(coroutine.resume(running, ...))
    return coroutine.status(running) == "dead", result
  end
  local is_over, result = go_on(clock, request, claims, address, limiter)
  return go_on, is_over, result
end

function receive_report_answer_through(clock, request, status, bytes)
  local handle = fake_handle(clock, request, nil, "127.0.0.1", nil)
  envoy_on_request(handle)
  handle:becomes_answer({ [":status"] = status }, bytes)
  envoy_on_response(handle)
end

function bucket_memory()
  collectgarbage()
  return collectgarbage("count") * 1024
end
"""


@cache
def contracts() -> Contracts:
    """Return the contracts."""
    found = Path(next(iter(internshipconnect.__path__))).with_name("internshipconnect.binpb")
    return Contracts.from_descriptor_set(found.read_bytes())


@cache
def quota_script(policy: QuotaPolicy) -> str:
    """Return the script of the edge."""
    return render_caller_lua(edge_rpcs(contracts()), "gateway", policy)


def limit_rules(limit: RateLimit | None, *, is_shadow: bool = False) -> RateLimitRuleSet:
    """Return rules with one limit for the searches of all users, and of all clients."""
    level, below, users = DescriptorLevel(), DescriptorLevel(), DescriptorLevel()
    rule = RateLimitRule("search", limit, "SEARCH", is_shadow=is_shadow)
    users.add("user", "", DescriptorNode(rule, DescriptorLevel()))
    below.add("plan", "", DescriptorNode(None, users))
    for key in ("address", "address_56", "address_48"):
        below.add(key, "", DescriptorNode(rule, DescriptorLevel()))
    for name in ("SEARCH", "PUBLIC_API"):
        level.add("class", name, DescriptorNode(None, below))
    return RateLimitRuleSet({"internshipconnect": level})


@dataclass
class VirtualLimiter:
    """The limiter, which answers at once while it is not `is_down`."""

    limit: RateLimit | None
    now_ms: int = START_MS
    is_down: bool = False
    is_shadow: bool = False
    asked: int = 0

    def __post_init__(self) -> None:
        self.counters = InMemoryCounterStore(lambda: self.now_ms * MICROSECONDS_PER_SECOND // 1_000)
        self._loop = asyncio.new_event_loop()
        self._assigner = QuotaAssigner(
            lambda: limit_rules(self.limit, is_shadow=self.is_shadow),
            self.counters,
            "internshipconnect",
            timeout_s=60,
        )

    def answer(self, body: bytes) -> tuple[bytes, bytes]:
        """Return status and body of the answer to a message."""
        if self.is_down:
            return b"503", b"no healthy upstream"
        reports = parse_reports(body[_FRAME_BYTES:])
        message = format_assignments(self._loop.run_until_complete(self._assigner.assign(reports)))
        return b"200", b"\0" + len(message).to_bytes(4, "big") + message

    def ask(self, body: bytes) -> tuple[bytes, bytes]:
        """Answer a call that waits."""
        self.asked += 1
        return self.answer(body)

    def close(self) -> None:
        """End it."""
        self._loop.close()


@dataclass(frozen=True)
class CallAnswer:
    """What a caller gets."""

    status: int
    headers: dict[str, str]


@dataclass
class QuotaWorker:
    """One worker. Its report is answered when the test says so."""

    limiter: VirtualLimiter
    policy: QuotaPolicy = DEFAULT_QUOTA_POLICY
    unanswered: list[bytes] = field(default_factory=list)
    reports: int = 0

    def __post_init__(self) -> None:
        self._lua: Any = luajit.LuaRuntime(encoding=None, unpack_returned_tuples=True)
        self._lua.execute((quota_script(self.policy) + _FAKE_HANDLE).encode())
        self._clock: Callable[[], int] = lambda: self.limiter.now_ms
        self._calls = self._lua.table_from({b"report": self._take_report, b"ask": self.limiter.ask})

    def call(
        self, user: str = "usr_1", *, plan: str = "FREE", path: str = SEARCH_CALL, original: str = ""
    ) -> CallAnswer:
        """Make a call of a user."""
        claims = self._lua.table_from({b"sub": user.encode(), b"plan": plan.encode()})
        return self._call(path, original, claims, "192.0.2.1")

    def call_with_key(self, key: str, company: str, *, path: str = SEARCH_CALL) -> CallAnswer:
        """Make a call of a company's API key."""
        caller = {b"sub": key.encode(), b"org": company.encode(), b"plan": b"FREE"}
        claims = self._lua.table_from(caller | {b"scope": b"LISTINGS_READ"})
        return self._call(path, "", claims, "192.0.2.1")

    def call_from(self, address: str, *, path: str = SEARCH_CALL) -> CallAnswer:
        """Make a call without a token."""
        return self._call(path, "", None, address)

    def call_at_once(self, calls: int, user: str = "usr_1") -> list[CallAnswer]:
        """Make calls that all ask the limiter before the first of them has its answer."""
        self._calls[b"answers_later"] = True
        begun = [self._begin(user) for _ in range(calls)]
        self._calls[b"answers_later"] = False
        return [self._finish(*each) for each in begun]

    def _begin(self, user: str) -> Any:
        claims = self._lua.table_from({b"sub": user.encode(), b"plan": b"FREE"})
        request = self._lua.table_from({b":path": SEARCH_CALL.encode()})
        return self._lua.globals()[b"begin_call"](self._clock, request, claims, b"192.0.2.1", self._calls)

    def _finish(self, go_on: Callable[..., Any], is_over: bool, result: Any) -> CallAnswer:
        while not is_over:
            is_over, result = go_on(*self.limiter.ask(result))
        found = {key.decode(): value.decode() for key, value in result.items()}
        return CallAnswer(int(found.pop(":status")), found)

    def search(self, query: str) -> CallAnswer:
        """Search as a user does over HTTP."""
        return self.call(original=f"/api/v1/internships?{query}")

    def answer_report(self) -> None:
        """Have the report answered, if there is one."""
        if not self.unanswered:
            return
        status, body = self.limiter.answer(self.unanswered.pop(0))
        request = {b":path": QUOTA_METHOD.encode(), b"x-ic-quota-report": b"1"}
        self._lua.globals()[b"receive_report_answer_through"](
            self._clock, self._lua.table_from(request), status, body
        )

    def memory_bytes(self) -> float:
        """Return the memory of the script's state."""
        return float(self._lua.globals()[b"bucket_memory"]())

    def _call(self, path: str, original: str, claims: Any, address: str) -> CallAnswer:
        request = {b":path": path.encode()}
        if original:
            request[b"x-envoy-original-path"] = original.encode()
        answer = self._lua.globals()[b"call_through"](
            self._clock, self._lua.table_from(request), claims, address.encode(), self._calls
        )
        found = {key.decode(): value.decode() for key, value in answer.items()}
        return CallAnswer(int(found.pop(":status")), found)

    def _take_report(self, _cluster: bytes, _headers: Any, body: bytes) -> None:
        self.reports += 1
        self.unanswered.append(body)
