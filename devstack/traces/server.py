"""The HTTP side of the trace store: Jaeger's query API under `/api`, and pages for people."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Final

from aiohttp import web

from devstack.traces import page
from devstack.traces.jaeger import ParameterError, encode_trace, parse_number, parse_query, parse_trace_id
from devstack.traces.store import TraceStore

STORE_KEY: Final = web.AppKey("store", TraceStore)
PAGE_POLICY: Final = "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'"
_DEFAULT_LOOKBACK_MS: Final = 24 * 3_600_000

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def build_app(store: TraceStore) -> web.Application:
    """Return the HTTP application."""
    app = web.Application(middlewares=[_answer_parameter_errors])
    app[STORE_KEY] = store
    app.add_routes(
        [
            web.get("/", show_search),
            web.get("/trace/{id}", show_trace),
            web.get("/health", health),
            web.get("/api/services", list_services),
            web.get("/api/services/{service}/operations", list_operation_names),
            web.get("/api/operations", list_operations),
            web.get("/api/traces", find_traces),
            web.get("/api/traces/{id}", get_trace),
            web.get("/api/dependencies", list_dependencies),
        ]
    )
    return app


async def health(request: web.Request) -> web.Response:
    """Answer the number of spans."""
    return web.json_response({"status": "ok", "spans": len(request.app[STORE_KEY])})


async def list_services(request: web.Request) -> web.Response:
    """Answer the names of all services."""
    return _json_answer(await asyncio.to_thread(request.app[STORE_KEY].services))


async def list_operation_names(request: web.Request) -> web.Response:
    """Answer the names of a service's operations."""
    found = await _read_operations(request, request.match_info["service"])
    return _json_answer(sorted({name for name, _ in found}))


async def list_operations(request: web.Request) -> web.Response:
    """Answer `GET /api/operations?service=&spanKind=`."""
    found = await _read_operations(request, request.query.get("service", ""))
    return _json_answer([{"name": name, "spanKind": kind} for name, kind in found])


async def find_traces(request: web.Request) -> web.Response:
    """Answer `GET /api/traces`: the newest traces that match, or those of `traceID`."""
    store = request.app[STORE_KEY]
    if asked := request.query.getall("traceID", []):
        ids = [parse_trace_id(text) for text in asked]
        found = [spans for each in ids if (spans := await asyncio.to_thread(store.trace, each))]
    else:
        if not request.query.get("service"):
            raise ParameterError("service is missing: name one of /api/services")
        found = await asyncio.to_thread(store.find, parse_query(request.query))
    return _json_answer([encode_trace(spans) for spans in found])


async def get_trace(request: web.Request) -> web.Response:
    """Answer `GET /api/traces/{id}`."""
    trace_id = parse_trace_id(request.match_info["id"])
    spans = await asyncio.to_thread(request.app[STORE_KEY].trace, trace_id)
    return _json_answer([encode_trace(spans)]) if spans else _json_error(404, "trace not found")


async def list_dependencies(request: web.Request) -> web.Response:
    """Answer `GET /api/dependencies?endTs=&lookback=`, both in milliseconds."""
    end_us = parse_number(request.query, "endTs", 2**62 // 1_000) * 1_000
    start_us = max(end_us - parse_number(request.query, "lookback", _DEFAULT_LOOKBACK_MS) * 1_000, 0)
    if "endTs" not in request.query:
        start_us = 0
    found = await asyncio.to_thread(request.app[STORE_KEY].dependencies, start_us, min(end_us, 2**62))
    return _json_answer(
        [{"parent": parent, "child": child, "callCount": calls} for parent, child, calls in found]
    )


async def show_search(request: web.Request) -> web.Response:
    """Answer the search form with the newest traces that match."""
    store, asked = request.app[STORE_KEY], dict(request.query)
    if asked.pop("errors", ""):
        asked["tags"] = '{"error":"true"}'
    problem, query = "", parse_query({})
    try:
        query = parse_query(asked)
    except ParameterError as error:
        problem = str(error)
    services = await asyncio.to_thread(store.services)
    found = [] if problem else await asyncio.to_thread(store.find, query)
    text = page.render_search(services, found, asked=dict(request.query), problem=problem, total=len(store))
    return _html_answer(text)


async def show_trace(request: web.Request) -> web.Response:
    """Answer one trace as HTML: its spans over time."""
    trace_id = parse_trace_id(request.match_info["id"])
    spans = await asyncio.to_thread(request.app[STORE_KEY].trace, trace_id)
    return _html_answer(page.render_trace(trace_id, spans), status=200 if spans else 404)


@web.middleware
async def _answer_parameter_errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    try:
        return await handler(request)
    except ParameterError as error:
        return _json_error(400, str(error))


async def _read_operations(request: web.Request, service: str) -> list[tuple[str, str]]:
    store = request.app[STORE_KEY]
    return await asyncio.to_thread(store.operations, service, request.query.get("spanKind", ""))


def _json_answer(data: list[Any]) -> web.Response:
    return web.json_response({"data": data, "total": len(data), "limit": 0, "offset": 0, "errors": None})


def _json_error(status: int, message: str) -> web.Response:
    errors = [{"code": status, "msg": message}]
    return web.json_response(
        {"data": None, "total": 0, "limit": 0, "offset": 0, "errors": errors}, status=status
    )


def _html_answer(text: str, *, status: int = 200) -> web.Response:
    headers = {"Content-Security-Policy": PAGE_POLICY}
    return web.Response(text=text, content_type="text/html", headers=headers, status=status)
