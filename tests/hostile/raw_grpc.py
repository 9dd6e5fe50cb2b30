"""gRPC calls as raw bytes, whatever the bytes are.

`python -m tests.hostile.raw_grpc ADDRESS /package.Service/Method BASE64 [TOKEN]` makes one call.
"""

import base64
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Self

import grpc

from chassis.contracts import DEFAULT_MAX_REQUEST_BYTES, RpcSpec, error_reasons, find_rpc
from chassis.errors import UNAVAILABLE_REASONS
from chassis.grpc.error_status import STATUS_DETAILS_METADATA_KEY, status_to_error
from tests.waiting import BUSY_MACHINE_MARGIN_S

DEADLINE_MARGIN_S: Final = BUSY_MACHINE_MARGIN_S
"""How much later than its deadline an answer may arrive."""
STREAM_LISTEN_S: Final = 0.3
"""How long a test listens to a stream."""
BUSY_PAUSES_S: Final = (0.2, 1.0, 3.0)
"""Between the tries of a call to a busy machine."""
MIN_UNREAD_REQUEST_BYTES: Final = 4 * DEFAULT_MAX_REQUEST_BYTES
"""gRPC refuses larger messages itself, without a reason of the contract."""
_GRPC_SIZE_STATUSES: Final = (grpc.StatusCode.RESOURCE_EXHAUSTED, grpc.StatusCode.UNAVAILABLE)


@dataclass(frozen=True)
class RawResponse:
    """A response; `reason` is the contract's, "" for success and when there is none."""

    code: grpc.StatusCode
    reason: str
    message: str
    took_s: float
    body: bytes = field(default=b"", repr=False)


class RawGrpcChannel:
    """A channel to one server that takes requests as they are."""

    def __init__(self, name: str, address: str) -> None:
        self.name = name
        self.address = address
        self._channel = grpc.insecure_channel(
            address,
            options=(
                ("grpc.max_send_message_length", -1),
                ("grpc.max_receive_message_length", -1),
                ("grpc.enable_retries", 0),
                ("grpc.use_local_subchannel_pool", 1),
            ),
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._channel.close()

    def call(self, path: str, request: bytes, token: str = "", **options: Any) -> RawResponse:
        """Make one call; listen to a stream for a moment."""
        rpc = find_rpc(path)
        streams = rpc is not None and rpc.server_streaming
        max_s = STREAM_LISTEN_S if streams else _deadline_s(rpc) + DEADLINE_MARGIN_S
        options.setdefault("timeout", max_s)
        channel: Any = self._channel
        metadata = [("authorization", f"Bearer {token}")] if token else []
        began = time.monotonic()
        try:
            if streams:
                body = next(iter(channel.unary_stream(path)(request, metadata=metadata, **options)), b"")
            else:
                body = channel.unary_unary(path)(request, metadata=metadata, **options)
        except grpc.RpcError as error:
            return _response_of_error(error, time.monotonic() - began, streams=streams)
        return RawResponse(grpc.StatusCode.OK, "", "", time.monotonic() - began, bytes(body))


def _response_of_error(error: Any, took_s: float, *, streams: bool) -> RawResponse:
    if streams and error.code() is grpc.StatusCode.DEADLINE_EXCEEDED:
        return RawResponse(grpc.StatusCode.OK, "", "", took_s)
    details = dict(error.trailing_metadata() or ()).get(STATUS_DETAILS_METADATA_KEY, b"")
    known = status_to_error(details) if isinstance(details, bytes) else None
    return RawResponse(error.code(), known.reason if known else "", str(error.details()), took_s)


def _deadline_s(rpc: RpcSpec | None) -> float:
    return rpc.policy.deadline_ms / 1000 if rpc else 1.0


def find_response_fault(answer: RawResponse, path: str, request: bytes) -> str:
    """Return the fault of an answer in a sentence, "" when it has none."""
    rpc = find_rpc(path)
    if rpc and not rpc.server_streaming and answer.took_s > _deadline_s(rpc) + DEADLINE_MARGIN_S:
        return f"took {answer.took_s:.1f} s, its deadline is {_deadline_s(rpc):.1f} s"
    if answer.code is grpc.StatusCode.OK:
        return ""
    if answer.reason not in error_reasons():
        by_itself = len(request) > MIN_UNREAD_REQUEST_BYTES and answer.code in _GRPC_SIZE_STATUSES
        return "" if by_itself else f"{answer.code.name} without a reason: {answer.message}"
    if answer.reason == "INTERNAL":
        return f"INTERNAL: {answer.message}"
    if error_reasons()[answer.reason].code is not answer.code:
        return f"{answer.reason} as {answer.code.name}"
    return "shows its insides" if "Traceback" in answer.message else ""


def repeat_command(line: RawGrpcChannel, path: str, request: bytes, token: str) -> str:
    """Return the command that makes a call again."""
    encoded = base64.b64encode(request).decode()
    return f".venv/bin/python -m tests.hostile.raw_grpc {line.address} {path} '{encoded}' {token}".rstrip()


def call_patiently(line: RawGrpcChannel, path: str, request: bytes, token: str = "") -> RawResponse:
    """Make a call, repeated while the machine is busy; return the last response."""
    for pause_s in BUSY_PAUSES_S:
        answer = line.call(path, request, token)
        if answer.reason not in UNAVAILABLE_REASONS:
            return answer
        time.sleep(pause_s)
    return line.call(path, request, token)


def assert_proper_response(line: RawGrpcChannel, path: str, request: bytes, token: str = "") -> RawResponse:
    """Make a call, repeated while the machine is busy. AssertionError with the command that repeats it."""
    answer = call_patiently(line, path, request, token)
    fault = find_response_fault(answer, path, request)
    if answer.reason in UNAVAILABLE_REASONS:
        fault = f"{answer.reason}, {len(BUSY_PAUSES_S) + 1} times"
    assert not fault, f"{line.name}: {fault}\nrepeat it: {repeat_command(line, path, request, token)}"
    return answer


def main(arguments: Sequence[str]) -> None:
    """Make one call and print the response."""
    address, path, encoded, *token = arguments
    with RawGrpcChannel(address, address) as line:
        print(line.call(path, base64.b64decode(encoded), *token))  # noqa: T201


if __name__ == "__main__":
    main(sys.argv[1:])
