"""The servicer of `envoy.service.ratelimit.v3.RateLimitService`: parse, call, map."""

import math
from collections.abc import Sequence
from typing import Any, Final

import grpc
from envoy.config.core.v3 import base_pb2
from envoy.service.ratelimit.v3 import rls_pb2, rls_pb2_grpc
from google.protobuf.duration_pb2 import Duration

from gateway.ratelimit import metrics
from gateway.ratelimit.headers import rate_limit_headers
from gateway.ratelimit.limiter import LimitDecision, RateLimiter
from gateway.ratelimit.quota_messages import InvalidReportError, format_assignments, parse_reports
from gateway.ratelimit.quotas import QuotaAssigner
from gateway.ratelimit.request_parser import InvalidRequestError, parse_request

GrpcContext = grpc.aio.ServicerContext[Any, Any]
_RateLimitResponse = rls_pb2.RateLimitResponse

_RESPONSE_MARGIN_S: Final = 0.002
"""The part of the caller's time that is reserved for the answer itself."""


class RateLimitServicer(rls_pb2_grpc.RateLimitServiceServicer):  # type: ignore[misc]
    """Takes and returns bytes, so that an unreadable message is answered like any other invalid one."""

    def __init__(self, limiter: RateLimiter) -> None:
        self._limiter = limiter

    async def ShouldRateLimit(self, request: bytes, context: GrpcContext) -> bytes:
        """Count the request's descriptors; answer INVALID_ARGUMENT if it breaks Envoy's own rules."""
        with metrics.seconds.time():
            try:
                domain, descriptors = parse_request(request)
            except InvalidRequestError as error:
                metrics.responses.labels("INVALID_ARGUMENT").inc()
                await context.abort(grpc.StatusCode.INVALID_ARGUMENT, str(error))
            decisions = await self._limiter.decide(domain, descriptors, _remaining_s(context))
            response = _to_response(decisions)
            metrics.responses.labels(_RateLimitResponse.Code.Name(response.overall_code)).inc()
            return bytes(response.SerializeToString())


class QuotaServicer:
    """The servicer of quotas, whose messages are text: see `quota_messages`."""

    def __init__(self, assigner: QuotaAssigner) -> None:
        self._assigner = assigner

    async def AssignQuotas(self, request: bytes, context: GrpcContext) -> bytes:
        """Charge the reported buckets, and answer with an assignment for each."""
        with metrics.quota_seconds.time():
            try:
                reports = parse_reports(request)
            except InvalidReportError as error:
                metrics.responses.labels("INVALID_ARGUMENT").inc()
                await context.abort(grpc.StatusCode.INVALID_ARGUMENT, str(error))
            return format_assignments(await self._assigner.assign(reports))


def _remaining_s(context: GrpcContext) -> float | None:
    left_s = context.time_remaining()
    return None if left_s is None else left_s - _RESPONSE_MARGIN_S


def _to_response(decisions: Sequence[LimitDecision]) -> rls_pb2.RateLimitResponse:
    is_refused = any(decision.is_refused for decision in decisions)
    return _RateLimitResponse(
        overall_code=_RateLimitResponse.OVER_LIMIT if is_refused else _RateLimitResponse.OK,
        statuses=[_descriptor_status(decision) for decision in decisions],
        response_headers_to_add=[
            base_pb2.HeaderValue(key=key, value=value) for key, value in rate_limit_headers(decisions)
        ],
    )


def _descriptor_status(decision: LimitDecision) -> rls_pb2.RateLimitResponse.DescriptorStatus:
    if decision.limit is None:
        return _RateLimitResponse.DescriptorStatus(code=_RateLimitResponse.OK)
    limit = decision.limit
    return _RateLimitResponse.DescriptorStatus(
        code=_RateLimitResponse.OVER_LIMIT if decision.is_refused else _RateLimitResponse.OK,
        current_limit=_RateLimitResponse.RateLimit(
            name=decision.name, requests_per_unit=limit.requests, unit=limit.unit.value
        ),
        limit_remaining=decision.remaining,
        duration_until_reset=Duration(seconds=math.ceil(decision.reset_s)),
    )
