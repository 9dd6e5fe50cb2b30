"""A process in the common frame that has no store: it tells what happens to it."""

import sys
from contextlib import AsyncExitStack

from chassis.process import close_on_exit, run_process
from chassis.readiness import ReadinessCheck
from chassis.settings import MisconfiguredError, ProcessSettings


def print_line(what: str) -> None:
    print(what, flush=True)  # noqa: T201


class LeanSettings(ProcessSettings):
    tables: str = "good"


class LeanProcess:
    def checks(self) -> list[ReadinessCheck]:
        return []

    async def start(self) -> None:
        heavy = {"pymongo", "kombu", "redis", "jwt"} & set(sys.modules)
        print_line(f"started with {sorted(heavy)}")

    async def stop(self, grace_s: float) -> None:
        print_line(f"stopping within {grace_s:.0f} s")


async def _close() -> None:
    print_line("closed")


async def prepare(settings: LeanSettings, closing: AsyncExitStack) -> LeanProcess:
    close_on_exit(closing, _close)
    if settings.tables != "good":
        raise MisconfiguredError(["tables.yaml: is bad", "other.yaml: is worse"])
    return LeanProcess()


if __name__ == "__main__":
    run_process("lean", "serve", LeanSettings, prepare)
