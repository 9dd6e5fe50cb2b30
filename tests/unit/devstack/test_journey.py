"""Waiting goes on while a service is busy, and ends with every other refusal."""

import pytest

from devstack.journey import client
from devstack.journey.client import ApiError, HttpExchange, wait_for_result


def _refusal(status: int, reason: str) -> ApiError:
    return ApiError(
        HttpExchange("GET", "/api/v1/notifications", status, None, {"details": [{"reason": reason}]}, 1)
    )


@pytest.mark.parametrize("reason", ["OVERLOADED", "UNAVAILABLE", "DEADLINE_EXCEEDED"])
def test_a_busy_service_is_asked_again(monkeypatch: pytest.MonkeyPatch, reason: str) -> None:
    monkeypatch.setattr(client, "POLL_INTERVAL_S", 0.0)
    answers: list[Exception | str] = [_refusal(429, reason), "an entry"]

    def look() -> str:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    assert wait_for_result(look, "an entry") == "an entry"


def test_another_refusal_ends_the_waiting() -> None:
    def look() -> str:
        raise _refusal(401, "SESSION_REVOKED")

    with pytest.raises(ApiError):
        wait_for_result(look, "an entry")
