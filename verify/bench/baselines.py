"""The baselines: bare libraries, each doing the minimum that a row needs of it."""

import asyncio
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import count
from typing import Any, Final

import uvloop
from argon2 import PasswordHasher
from pymongo import AsyncMongoClient, WriteConcern
from pymongo.asynchronous.client_session import AsyncClientSession
from pymongo.errors import PyMongoError

from services.auth.hashing import OWASP_FLOOR
from verify.bench.closed_loop import CallFailedError, MeasurementTimes, run_closed_loop
from verify.bench.samples import LoadSample

BaselineClient = AsyncMongoClient[dict[str, Any]]

ROW_BYTES: Final = 500
HASHED_PASSWORD: Final = "raw-hash-rate"  # noqa: S105 - hashed over and over, and good for nothing else


@dataclass(frozen=True)
class TransactionPlan:
    """Two inserts in one transaction on the shard at `uri`, in the scratch database of that name."""

    uri: str
    database: str
    at_once: int
    pids: tuple[int, ...]


def run_transaction_baseline(plan: TransactionPlan, pace: MeasurementTimes) -> LoadSample:
    """Run transactions of two inserts (w=majority) in this process, whose CPU counts as well."""
    return uvloop.run(_run_transactions(plan, pace))


async def _run_transactions(plan: TransactionPlan, pace: MeasurementTimes) -> LoadSample:
    async with BaselineClient(plan.uri, maxPoolSize=plan.at_once, timeoutMS=5_000) as client:
        database = client[plan.database]
        first, second = await database.create_collection("rows"), await database.create_collection("events")
        numbers = count()
        body = os.urandom(ROW_BYTES)

        async def insert_two(session: AsyncClientSession) -> None:
            row = {"_id": next(numbers), "time": datetime.now(UTC), "body": body}
            async with await session.start_transaction(write_concern=WriteConcern("majority")):
                await first.insert_one(row, session=session)
                await second.insert_one(row, session=session)

        async def act() -> None:
            try:
                async with client.start_session(causal_consistency=False) as session:
                    await insert_two(session)
            except PyMongoError as error:
                raise CallFailedError(f"{type(error).__name__}: {error}") from error

        try:
            pids = (*plan.pids, os.getpid())
            return await run_closed_loop(act, at_once=plan.at_once, pace=pace, pids=pids)
        finally:
            await client.drop_database(plan.database)


def run_hash_baseline(threads: int, pace: MeasurementTimes) -> LoadSample:
    """Verify one password repeatedly on this number of threads of this process."""
    return asyncio.run(_run_hashes(threads, pace))


async def _run_hashes(threads: int, pace: MeasurementTimes) -> LoadSample:
    hasher = PasswordHasher.from_parameters(OWASP_FLOOR)
    hashed = hasher.hash(HASHED_PASSWORD)
    loop = asyncio.get_running_loop()
    with ThreadPoolExecutor(threads) as pool:

        async def act() -> None:
            await loop.run_in_executor(pool, hasher.verify, hashed, HASHED_PASSWORD)

        return await run_closed_loop(act, at_once=threads, pace=pace, pids=(os.getpid(),))
