"""Slots for new accounts: those of shards in the region of the process that makes them."""

import secrets
from collections.abc import Callable

from chassis.sharding.slot_map import SlotMap


class HomeSlots:
    """Chooses slots whose shard is in `region`, by the present slot map.

    A person who registers through the gateway of a region has their records there: their shard's primary is
    near to them, and another region's loss does not concern them.
    """

    def __init__(self, read_slot_map: Callable[[], SlotMap], region: str) -> None:
        self._read_slot_map = read_slot_map
        self._region = region
        self._of: SlotMap | None = None
        self._slots: tuple[int, ...] = ()

    def choose(self) -> int | None:
        """Return a random slot of the region; None, which means any slot, where no shard is in it."""
        slot_map = self._read_slot_map()
        if slot_map is not self._of:
            self._of, self._slots = slot_map, slot_map.settled_slots_in(self._region)
        return secrets.choice(self._slots) if self._slots else None
