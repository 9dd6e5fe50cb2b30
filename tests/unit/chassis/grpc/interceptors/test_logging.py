from typing import Any

import orjson
import pytest

from chassis.call_context import CallContext, Principal
from chassis.grpc.interceptors.logging import AccessLogInterceptor
from tests.fakes.interceptor_calls import fail_with, respond_with, rpc, send_call

Stdout = pytest.CaptureFixture[bytes]


def entries(stdout: Stdout) -> list[dict[str, Any]]:
    return [orjson.loads(line) for line in stdout.readouterr().out.splitlines()]


async def test_each_call_leaves_one_line_that_says_who_called_what_and_how_it_ended(
    capsysbinary: Stdout,
) -> None:
    call = CallContext("req-1", principal=Principal(id="usr_1", kind="STUDENT"))
    await send_call(AccessLogInterceptor(), rpc("auth", "Login"), respond_with(), call=call)
    (entry,) = entries(capsysbinary)
    assert (entry["rpc"], entry["code"]) == ("internshipconnect.auth.v1.AuthService/Login", "OK")
    assert (entry["caller"], entry["request_id"]) == ("usr_1", "req-1")
    assert entry["duration_ms"] >= 0


async def test_a_failed_call_is_logged_with_its_status(capsysbinary: Stdout) -> None:
    with pytest.raises(KeyError):
        await send_call(
            AccessLogInterceptor(),
            rpc("auth", "Login"),
            fail_with(KeyError()),
            call=CallContext(outcome="INTERNAL"),
        )
    assert entries(capsysbinary)[0]["code"] == "INTERNAL"


async def test_nothing_of_what_was_said_is_logged(capsysbinary: Stdout) -> None:
    call = CallContext(metadata={"authorization": "Bearer very-secret"})
    await send_call(
        AccessLogInterceptor(),
        rpc("auth", "Login"),
        respond_with(b"very-secret"),
        call=call,
        request=b"very-secret",
    )
    assert b"very-secret" not in capsysbinary.readouterr().out
