"""gRPC calls as raw bytes, whatever the bytes are.

`python -m tests.hostile.wire ADDRESS /package.Service/Method BASE64 [TOKEN]` makes one and shows the answer.
"""

import base64
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Self

import grpc

from chassis.contracts import RpcSpec, reasons, rpc_at
from chassis.grpc.handlers import LARGEST_REQUEST_BYTES
from chassis.grpc.status import DETAILS_KEY, error_of
from tests.waiting import BUSY_S

SLACK_S: Final = BUSY_S
"""How much later than its deadline an answer may arrive."""
LISTENED_S: Final = 0.3
"""How long a test listens to a stream."""
BUSY: Final = frozenset({"OVERLOADED", "UNAVAILABLE", "DEADLINE_EXCEEDED"})
"""What a busy machine may answer once, and not twice in a row."""
REFUSED_UNREAD: Final = 4 * LARGEST_REQUEST_BYTES
"""What is larger gRPC refuses by itself, before anybody could give a reason."""
_BY_ITSELF: Final = (grpc.StatusCode.RESOURCE_EXHAUSTED, grpc.StatusCode.UNAVAILABLE)


@dataclass(frozen=True)
class Answer:
    """What came back; `reason` is the contract's, empty for success and where there is none."""

    code: grpc.StatusCode
    reason: str
    message: str
    took_s: float
    body: bytes = field(default=b"", repr=False)


class Line:
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

    def call(self, path: str, request: bytes, token: str = "", **options: Any) -> Answer:
        """One call; a stream is listened to for a moment."""
        rpc = rpc_at(path)
        streams = rpc is not None and rpc.server_streaming
        longest_s = LISTENED_S if streams else _deadline_s(rpc) + SLACK_S
        options.setdefault("timeout", longest_s)
        channel: Any = self._channel
        metadata = [("authorization", f"Bearer {token}")] if token else []
        began = time.monotonic()
        try:
            if streams:
                body = next(iter(channel.unary_stream(path)(request, metadata=metadata, **options)), b"")
            else:
                body = channel.unary_unary(path)(request, metadata=metadata, **options)
        except grpc.RpcError as error:
            return _failed(error, time.monotonic() - began, streams=streams)
        return Answer(grpc.StatusCode.OK, "", "", time.monotonic() - began, bytes(body))


def _failed(error: Any, took_s: float, *, streams: bool) -> Answer:
    if streams and error.code() is grpc.StatusCode.DEADLINE_EXCEEDED:
        return Answer(grpc.StatusCode.OK, "", "", took_s)
    details = dict(error.trailing_metadata() or ()).get(DETAILS_KEY, b"")
    known = error_of(details) if isinstance(details, bytes) else None
    return Answer(error.code(), known.reason if known else "", str(error.details()), took_s)


def _deadline_s(rpc: RpcSpec | None) -> float:
    return rpc.policy.deadline_ms / 1000 if rpc else 1.0


def fault_of(answer: Answer, path: str, request: bytes) -> str:
    """What is wrong with an answer, in a sentence; empty when nothing is."""
    rpc = rpc_at(path)
    if rpc and not rpc.server_streaming and answer.took_s > _deadline_s(rpc) + SLACK_S:
        return f"took {answer.took_s:.1f} s, its deadline is {_deadline_s(rpc):.1f} s"
    if answer.code is grpc.StatusCode.OK:
        return ""
    if answer.reason not in reasons():
        by_itself = len(request) > REFUSED_UNREAD and answer.code in _BY_ITSELF
        return "" if by_itself else f"{answer.code.name} without a reason: {answer.message}"
    if answer.reason == "INTERNAL":
        return f"INTERNAL: {answer.message}"
    if reasons()[answer.reason].code is not answer.code:
        return f"{answer.reason} as {answer.code.name}"
    return "shows its insides" if "Traceback" in answer.message else ""


def repeat_of(line: Line, path: str, request: bytes, token: str) -> str:
    """The command that makes a call again."""
    encoded = base64.b64encode(request).decode()
    return f".venv/bin/python -m tests.hostile.wire {line.address} {path} '{encoded}' {token}".rstrip()


def must_be_decent(line: Line, path: str, request: bytes, token: str = "") -> Answer:
    """Makes a call, once more if the machine was busy. AssertionError with the command that repeats it."""
    answer = line.call(path, request, token)
    if answer.reason in BUSY:
        answer = line.call(path, request, token)
    fault = fault_of(answer, path, request)
    if answer.reason in BUSY:
        fault = f"{answer.reason} twice"
    assert not fault, f"{line.name}: {fault}\nrepeat it: {repeat_of(line, path, request, token)}"
    return answer


def main(arguments: Sequence[str]) -> None:
    """Makes one call and prints what came back."""
    address, path, encoded, *token = arguments
    with Line(address, address) as line:
        print(line.call(path, base64.b64decode(encoded), *token))  # noqa: T201


if __name__ == "__main__":
    main(sys.argv[1:])
