"""Requests of clients that repeat what a busy service refuses, as its `Retry-After` asks them to."""

import time
from collections.abc import Callable
from typing import Final

import httpx

from tests.waiting import WAIT_TIMEOUT_S

_BUSY_STATUSES: Final = frozenset({429, 503, 504})
_PAUSE_S: Final = 0.5


def send_until_admitted(send: Callable[[], httpx.Response]) -> httpx.Response:
    """Return the first answer that is no refusal of a busy service; the last one after a minute."""
    ends_at = time.monotonic() + WAIT_TIMEOUT_S
    while (answer := send()).status_code in _BUSY_STATUSES and time.monotonic() < ends_at:
        time.sleep(_PAUSE_S)
    return answer
