from typing import Any

import orjson
import pytest

from chassis.caller import Call, Principal
from chassis.grpc.interceptors.logging import Logging
from tests.fakes.calls import answering, raising, rpc, send

Stdout = pytest.CaptureFixture[bytes]


def entries(stdout: Stdout) -> list[dict[str, Any]]:
    return [orjson.loads(line) for line in stdout.readouterr().out.splitlines()]


async def test_each_call_leaves_one_line_that_says_who_called_what_and_how_it_ended(
    capsysbinary: Stdout,
) -> None:
    call = Call("req-1", principal=Principal(id="usr_1", kind="STUDENT"))
    await send(Logging(), rpc("auth", "Login"), answering(), call=call)
    (entry,) = entries(capsysbinary)
    assert (entry["rpc"], entry["code"]) == ("internshipconnect.auth.v1.AuthService/Login", "OK")
    assert (entry["caller"], entry["request_id"]) == ("usr_1", "req-1")
    assert entry["duration_ms"] >= 0


async def test_a_failed_call_is_logged_with_its_status(capsysbinary: Stdout) -> None:
    with pytest.raises(KeyError):
        await send(Logging(), rpc("auth", "Login"), raising(KeyError()), call=Call(outcome="INTERNAL"))
    assert entries(capsysbinary)[0]["code"] == "INTERNAL"


async def test_nothing_of_what_was_said_is_logged(capsysbinary: Stdout) -> None:
    call = Call(metadata={"authorization": "Bearer very-secret"})
    await send(Logging(), rpc("auth", "Login"), answering(b"very-secret"), call=call, request=b"very-secret")
    assert b"very-secret" not in capsysbinary.readouterr().out
