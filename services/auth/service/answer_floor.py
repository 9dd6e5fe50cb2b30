"""A lower bound of how long an answer takes, so that its time says nothing of what was found."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

MIN_ANSWER_S: Final = 0.05
"""Several times what the work takes."""
MIN_ANSWER_WITH_HASH_S: Final = 0.15
"""The same for work that hashes a password."""


@asynccontextmanager
async def taking_at_least(seconds: float = MIN_ANSWER_S) -> AsyncIterator[None]:
    """Let the block take this long, however soon it is done."""
    clock = asyncio.get_running_loop().time
    ends = clock() + seconds
    try:
        yield
    finally:
        await asyncio.sleep(ends - clock())
