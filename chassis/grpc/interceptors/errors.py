"""Turns what a call raises into the status that its caller reads."""

import asyncio
from contextlib import suppress
from typing import Any, Final

import grpc

from chassis.caller import Call, current_call
from chassis.contracts import RpcSpec, reasons
from chassis.errors import DomainError
from chassis.grpc.handlers import Context, Handler
from chassis.grpc.spelling import FROM_HTTP, Spelling
from chassis.grpc.status import DETAILS_KEY, code_of, status_of
from chassis.observability.logging import get_logger

_LAST_WORDS_WITHIN_S: Final = 1.0


class Errors:
    """Answers domain errors by the contract's table; anything else is ours to look into and tells nothing."""

    def bind(self, rpc: RpcSpec, proceed: Handler) -> Handler:
        spelling = Spelling(rpc)

        async def guarded(request: Any, context: Context) -> bytes:
            try:
                return await proceed(request, context)
            except asyncio.CancelledError:
                call = current_call()
                if call.outcome == "OK":
                    call.outcome = "CANCELLED"
                raise
            except grpc.aio.AbortError:
                current_call().outcome = "UNKNOWN"
                raise
            except Exception as error:
                call = current_call()
                over_http = FROM_HTTP in call.metadata
                spelled = spelling.for_caller(_readable(error, rpc), over_http=over_http)
                return await _refuse(context, call, spelled)

        return guarded


async def _refuse(context: Context, call: Call, error: DomainError) -> bytes:
    status = status_of(error, call.request_id)
    code = code_of(error)
    call.outcome = code.name
    details = ((DETAILS_KEY, status.SerializeToString()),)
    if call.last_words is not None:
        await _written(context, call.last_words(status))
    elif call.headers:
        await context.send_initial_metadata(tuple(call.headers))
    return await context.abort(code, status.message, trailing_metadata=details)


async def _written(context: Context, last_words: bytes) -> None:
    """A reader who is too slow for them does without."""
    with suppress(TimeoutError):
        async with asyncio.timeout(_LAST_WORDS_WITHIN_S):
            await context.write(last_words)


def _readable(error: Exception, rpc: RpcSpec) -> DomainError:
    if isinstance(error, DomainError) and error.reason in reasons():
        return error
    get_logger().error("call failed", rpc=rpc.full_name, request_id=current_call().request_id, exc_info=error)
    return DomainError("INTERNAL", "Something went wrong on our side; quote the request id to report it.")
