"""Turns a call's error into the status that its caller reads."""

import asyncio
from contextlib import suppress
from typing import Any, Final

import grpc

from chassis.call_context import CallContext, current_call
from chassis.contracts import RpcSpec, error_reasons
from chassis.errors import DomainError
from chassis.grpc.error_status import STATUS_DETAILS_METADATA_KEY, error_to_status, status_code_of
from chassis.grpc.field_names import ORIGINAL_PATH_METADATA_KEY, FieldNameTranslator
from chassis.grpc.handlers import RpcContext, RpcHandler
from chassis.observability.logging import get_logger

_CLOSING_MESSAGE_TIMEOUT_S: Final = 1.0


class ErrorInterceptor:
    """Answers domain errors by the contract's table; any other error is logged and answered INTERNAL."""

    def bind(self, rpc: RpcSpec, proceed: RpcHandler) -> RpcHandler:
        spelling = FieldNameTranslator(rpc)

        async def guarded(request: Any, context: RpcContext) -> bytes:
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
                over_http = ORIGINAL_PATH_METADATA_KEY in call.metadata
                spelled = spelling.translate_error(_to_domain_error(error, rpc), over_http=over_http)
                return await _abort_with_status(context, call, spelled)

        return guarded


async def _abort_with_status(context: RpcContext, call: CallContext, error: DomainError) -> bytes:
    status = error_to_status(error, call.request_id)
    code = status_code_of(error)
    call.outcome = code.name
    details = ((STATUS_DETAILS_METADATA_KEY, status.SerializeToString()),)
    if call.closing_message is not None:
        await _write_closing_message(context, call.closing_message(status))
    elif call.headers:
        await context.send_initial_metadata(tuple(call.headers))
    return await context.abort(code, status.message, trailing_metadata=details)


async def _write_closing_message(context: RpcContext, message: bytes) -> None:
    """Write the last message of a stream; give up on a client that reads too slowly."""
    with suppress(TimeoutError):
        async with asyncio.timeout(_CLOSING_MESSAGE_TIMEOUT_S):
            await context.write(message)


def _to_domain_error(error: Exception, rpc: RpcSpec) -> DomainError:
    if isinstance(error, DomainError) and error.reason in error_reasons():
        return error
    get_logger().error("call failed", rpc=rpc.full_name, request_id=current_call().request_id, exc_info=error)
    return DomainError("INTERNAL", "Something went wrong on our side; quote the request id to report it.")
