"""google.rpc.Status from domain errors, and back, by the contract's table of reasons."""

import re
from functools import cache
from typing import TypeVar

import grpc
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import DecodeError, Message
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo, RequestInfo, ResourceInfo, RetryInfo
from google.rpc.status_pb2 import Status

from chassis.contracts import ERROR_DOMAIN, HttpBinding, error_reasons, imported_contracts
from chassis.errors import AllowedTransition, DomainError, Violation
from internshipconnect.errors.v1.moves_pb2 import AllowedMove, AllowedMoves

STATUS_DETAILS_METADATA_KEY = "grpc-status-details-bin"

# A whole status has to fit into 8 KiB of HTTP/2 trailers, base64 included.
_MAX_VIOLATIONS = 16
_MAX_VIOLATIONS_CHARS = 2_400
_MAX_TEXT_CHARS = 160
_MAX_DESCRIPTION_CHARS = 480
_MAX_MESSAGE_CHARS = 400
_DEFAULT_RETRY_AFTER_S = 1.0

D = TypeVar("D", bound=Message)


def status_code_of(error: DomainError) -> grpc.StatusCode:
    """Return the gRPC status code of the error's reason, from the contract. Raises KeyError if unknown."""
    return error_reasons()[error.reason].code


def error_to_status(error: DomainError, request_id: str) -> Status:
    """Return the status that the caller receives, with its details. Raises KeyError for an unknown reason."""
    status = Status(code=status_code_of(error).value[0], message=_truncate(error.message, _MAX_MESSAGE_CHARS))
    for detail in _details_of(error, request_id):
        status.details.add().Pack(detail)
    return status


def status_to_error(details: bytes) -> DomainError | None:
    """Return the domain error in a peer's status details; None when they hold none of ours."""
    try:
        status = Status.FromString(details)
        info = _find_detail(status, ErrorInfo)
        if info is None or info.domain != ERROR_DOMAIN or info.reason not in error_reasons():
            return None
        return _rebuild_error(status, info)
    except DecodeError:
        return None


def _details_of(error: DomainError, request_id: str) -> list[Message]:
    details: list[Message] = [_error_info(error)]
    if error.violations:
        details.append(_bad_request(error.violations))
    if error.reason == "ILLEGAL_TRANSITION":
        details.append(_allowed_moves(error))
    if error.resource is not None:
        kind, name = error.resource
        details.append(ResourceInfo(resource_type=kind, resource_name=_truncate(name)))
    if error_reasons()[error.reason].is_retryable:
        details.append(_retry_info(error.retry_after_s or _DEFAULT_RETRY_AFTER_S))
    if request_id:
        details.append(RequestInfo(request_id=request_id))
    return details


def _error_info(error: DomainError) -> ErrorInfo:
    metadata = {key: _truncate(value) for key, value in error.metadata.items()}
    return ErrorInfo(reason=error.reason, domain=ERROR_DOMAIN, metadata=metadata)


def _bad_request(violations: tuple[Violation, ...]) -> BadRequest:
    shown: list[BadRequest.FieldViolation] = []
    left = _MAX_VIOLATIONS_CHARS
    for each in violations[:_MAX_VIOLATIONS]:
        field, description = _truncate(each.field), _truncate(each.description, _MAX_DESCRIPTION_CHARS)
        left -= len(field) + len(description)
        if shown and left < 0:
            break
        shown.append(BadRequest.FieldViolation(field=field, description=description))
    return BadRequest(field_violations=shown)


def _allowed_moves(error: DomainError) -> AllowedMoves:
    moves = [
        AllowedMove(target=move.target, call=move.rpc_name, http=http_request_line_of(move.rpc_name))
        for move in error.allowed_transitions
    ]
    return AllowedMoves(state=error.metadata.get("state", ""), moves=moves)


@cache
def http_request_line_of(call: str) -> str:
    """Return a call's canonical HTTP request by its name: `POST /api/v1/things/{thingId}:close`, or ""."""
    bindings = [rpc.http[0] for rpc in imported_contracts().rpcs if rpc.name == call and rpc.http]
    return _request_line(bindings[0]) if bindings else ""


def _request_line(binding: HttpBinding) -> str:
    path = re.sub(r"_([a-z])", lambda letter: letter.group(1).upper(), binding.path)
    return f"{binding.method} {path}"


def _retry_info(after_s: float) -> RetryInfo:
    delay = Duration()
    delay.FromMilliseconds(round(after_s * 1000))
    return RetryInfo(retry_delay=delay)


def _truncate(text: str, longest: int = _MAX_TEXT_CHARS) -> str:
    return text if len(text) <= longest else text[: longest - 1] + "…"


def _rebuild_error(status: Status, info: ErrorInfo) -> DomainError:
    bad, resource, retry = (_find_detail(status, kind) for kind in (BadRequest, ResourceInfo, RetryInfo))
    allowed = _find_detail(status, AllowedMoves)
    return DomainError(
        info.reason,
        status.message,
        violations=[Violation(each.field, each.description) for each in bad.field_violations] if bad else (),
        resource=(resource.resource_type, resource.resource_name) if resource else None,
        metadata=info.metadata,
        retry_after_s=retry.retry_delay.ToMilliseconds() / 1000 if retry else None,
        allowed_transitions=[AllowedTransition(each.target, each.call) for each in allowed.moves]
        if allowed
        else (),
    )


def _find_detail(status: Status, kind: type[D]) -> D | None:
    for packed in status.details:
        if packed.Is(kind.DESCRIPTOR):
            detail = kind()
            packed.Unpack(detail)
            return detail
    return None
