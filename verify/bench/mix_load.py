"""The load of the mix: callers who send prepared HTTP calls and note which answers came from the edge."""

import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

import aiohttp
import uvloop

from verify.bench.closed_loop import CallFailedError, CallsExhaustedError, MeasurementTimes, run_closed_loop
from verify.bench.mix_calls import HttpCall
from verify.bench.samples import LoadSample, ratio

CALL_TIMEOUT_S: Final = 5.0
CACHE_HEADER: Final = "x-cache"
EDGE_LAYER: Final = "the edge's cache"


@dataclass(frozen=True)
class MixPlan:
    """Calls to the gateway at `url`, each sent once, by this number of callers."""

    url: str
    calls: Sequence[HttpCall]
    at_once: int


@dataclass
class _MixAnswers:
    latencies_s: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    cached: Counter[str] = field(default_factory=Counter)


def run_mix_load(plan: MixPlan, window_s: float) -> LoadSample:
    """Send the calls for the window, in this process; the sample counts no CPU."""
    return uvloop.run(_run_mix(plan, window_s))


async def _run_mix(plan: MixPlan, window_s: float) -> LoadSample:
    answers, calls = _MixAnswers(), iter(plan.calls)
    async with aiohttp.ClientSession(
        plan.url,
        connector=aiohttp.TCPConnector(limit=plan.at_once),
        timeout=aiohttp.ClientTimeout(total=CALL_TIMEOUT_S),
        cookie_jar=aiohttp.DummyCookieJar(),
    ) as session:

        async def act() -> None:
            await _send_next(session, calls, answers)

        pace = MeasurementTimes(window_s, warm_up_s=0.0)
        sample = await run_closed_loop(act, at_once=plan.at_once, pace=pace, pids=())
    hits, misses = answers.cached["HIT"], answers.cached["MISS"]
    return replace(
        sample, kinds=dict(answers.latencies_s), hit_rates={EDGE_LAYER: ratio(hits, hits + misses)}
    )


async def _send_next(session: aiohttp.ClientSession, calls: Iterator[HttpCall], answers: _MixAnswers) -> None:
    call = next(calls, None)
    if call is None:
        raise CallsExhaustedError
    began = time.perf_counter()
    method = "GET" if call.body is None else "POST"
    try:
        async with session.request(method, call.path, data=call.body, headers=call.headers) as answer:
            await answer.read()
    except (aiohttp.ClientError, TimeoutError) as error:
        raise CallFailedError(f"{call.kind}: {type(error).__name__}") from error
    if answer.status >= 300:
        raise CallFailedError(f"{call.kind}: HTTP {answer.status}")
    answers.latencies_s[call.kind].append(time.perf_counter() - began)
    answers.cached[answer.headers.get(CACHE_HEADER, "")] += 1
