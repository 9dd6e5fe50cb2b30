"""Contents that are given out: opened before the answer begins, and not for ever."""

import time
from collections.abc import AsyncIterator

from chassis.errors import DomainError


async def open_content(parts: AsyncIterator[bytes], *, max_s: float) -> AsyncIterator[bytes]:
    """Return the parts after the first one has been read, so that a missing content is known by then.

    A reader who takes more than `max_s` seconds for all of them gets DEADLINE_EXCEEDED.
    """
    first, give_up_at = await anext(parts, b""), time.monotonic() + max_s

    async def all_parts() -> AsyncIterator[bytes]:
        yield first
        async for part in parts:
            if time.monotonic() > give_up_at:
                raise DomainError("DEADLINE_EXCEEDED", "The download was too slow.")
            yield part

    return all_parts()
