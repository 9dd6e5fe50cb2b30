"""A process in the common frame that has no store: it tells what happens to it."""

import sys
from contextlib import AsyncExitStack

from chassis.process import close_with, live
from chassis.readiness import Check
from chassis.settings import MisconfiguredError, ProcessSettings


def tell(what: str) -> None:
    print(what, flush=True)  # noqa: T201


class Settings(ProcessSettings):
    tables: str = "good"


class Telling:
    def checks(self) -> list[Check]:
        return []

    async def start(self) -> None:
        heavy = {"pymongo", "kombu", "redis", "jwt"} & set(sys.modules)
        tell(f"started with {sorted(heavy)}")

    async def stop(self, grace_s: float) -> None:
        tell(f"stopping within {grace_s:.0f} s")


async def _close() -> None:
    tell("closed")


async def prepare(settings: Settings, closing: AsyncExitStack) -> Telling:
    close_with(closing, _close)
    if settings.tables != "good":
        raise MisconfiguredError(["tables.yaml: is bad", "other.yaml: is worse"])
    return Telling()


if __name__ == "__main__":
    live("lean", "serve", Settings, prepare)
