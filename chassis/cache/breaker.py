"""One Redis node's circuit: a dead node is not asked again until it answers a probe."""

import asyncio
import random
from typing import Final

from redis.asyncio.cluster import ClusterNode

from chassis.observability.metrics import breaker_state
from chassis.redis import FAILURES

FAILURES_TO_OPEN: Final = 5
PROBE_EVERY_S: Final = 0.1
PROBE_TIMEOUT_S: Final = 1.0
CLOSED: Final = 0
OPEN: Final = 2


class NodeBreaker:
    """Opens after 5 failures in a row; closes as soon as the node answers a PING, asked every 100 ms."""

    def __init__(self, node: ClusterNode) -> None:
        self._node = node
        self._failures = 0
        self._probing: asyncio.Task[None] | None = None
        self._state = breaker_state.labels(f"redis {node.name}")

    @property
    def is_open(self) -> bool:
        """Whether the node should be left alone."""
        return self._probing is not None

    def succeeded(self) -> None:
        """The node has answered."""
        self._failures = 0

    def failed(self) -> None:
        """The node has not answered, or with an error."""
        self._failures += 1
        if self._failures >= FAILURES_TO_OPEN and self._probing is None:
            self._state.set(OPEN)
            self._probing = asyncio.create_task(self._probe())

    def stop(self) -> None:
        """Ends the probing."""
        if self._probing is not None:
            self._probing.cancel()

    async def _probe(self) -> None:
        # Past the cluster client: it would look at the whole cluster again after each failure.
        while not await self._answers():  # noqa: ASYNC110 - nobody tells when a node is back
            await asyncio.sleep(PROBE_EVERY_S * random.uniform(0.8, 1.2))  # noqa: S311
        self._failures = 0
        self._probing = None
        self._state.set(CLOSED)

    async def _answers(self) -> bool:
        try:
            async with asyncio.timeout(PROBE_TIMEOUT_S):
                await self._node.execute_command("PING")
        except FAILURES:
            return False
        return True
