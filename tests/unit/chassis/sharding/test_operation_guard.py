"""A shard's failure that nobody can help is UNAVAILABLE; the caller's own error comes out as it is."""

import pytest
from pymongo import AsyncMongoClient
from pymongo.errors import (
    AutoReconnect,
    BulkWriteError,
    DuplicateKeyError,
    NetworkTimeout,
    OperationFailure,
    PyMongoError,
    ServerSelectionTimeoutError,
    WaitQueueTimeoutError,
    WriteConcernError,
)

from chassis.errors import DomainError
from chassis.mongo.documents import Document
from chassis.sharding.operation_guard import OperationGuard

SHUTTING_DOWN = {"code": 91, "errmsg": "Replication is being shut down"}


@pytest.fixture
def gate() -> OperationGuard:
    client: AsyncMongoClient[Document] = AsyncMongoClient("mongodb://127.0.0.1:1", connect=False)
    return OperationGuard(client, "mongo shard t", label="mongo/t")


async def passed(gate: OperationGuard, error: PyMongoError) -> Exception:
    """Return the error that an operation raises when its command fails with `error`."""

    async def operation() -> None:
        raise error

    with pytest.raises((DomainError, PyMongoError)) as raised:
        await gate.run(operation)
    return raised.value


@pytest.mark.parametrize(
    "error",
    [
        WriteConcernError("going", 91, {**SHUTTING_DOWN, "errorLabels": ["RetryableWriteError"]}),
        WriteConcernError("going", 91, SHUTTING_DOWN),
        BulkWriteError({"writeErrors": [], "writeConcernErrors": [SHUTTING_DOWN]}),
        OperationFailure("No keys found for HMAC that is valid for time", 211),
        OperationFailure("no space left", 14031),
        OperationFailure("later", 1, {"errorLabels": ["UnknownTransactionCommitResult"]}),
    ],
    ids=str,
)
async def test_a_server_that_comes_or_goes_or_is_full_does_not_answer_right_now(
    gate: OperationGuard, error: PyMongoError
) -> None:
    found = await passed(gate, error)
    assert isinstance(found, DomainError)
    assert found.reason == "UNAVAILABLE"
    assert found.__cause__ is error


@pytest.mark.parametrize(
    "error",
    [
        DuplicateKeyError("there", 11000),
        OperationFailure("bad query", 2),
        OperationFailure("conflict", 112, {"errorLabels": ["TransientTransactionError"]}),
        BulkWriteError({"writeErrors": [{"code": 11000}], "writeConcernErrors": []}),
    ],
    ids=str,
)
async def test_an_answer_that_will_stay_the_same_or_that_a_transaction_repeats_comes_out_as_it_is(
    gate: OperationGuard, error: PyMongoError
) -> None:
    assert await passed(gate, error) is error


class FlakyRead:
    """An operation that fails in turn with these, and then answers."""

    def __init__(self, *errors: PyMongoError) -> None:
        self.errors = list(errors)
        self.tries = 0

    async def __call__(self) -> str:
        self.tries += 1
        if self.errors:
            raise self.errors.pop(0)
        return "answer"


@pytest.mark.parametrize(
    "error",
    [
        OperationFailure("No keys found for HMAC that is valid for time", 211),
        OperationFailure("interrupted", 11602),
        AutoReconnect("connection closed"),
    ],
    ids=str,
)
async def test_a_read_is_repeated_when_its_member_comes_goes_or_changes_its_role(
    gate: OperationGuard, error: PyMongoError
) -> None:
    read = FlakyRead(error, error)
    assert await gate.run_read(read) == "answer"
    assert read.tries == 3


async def test_a_read_that_keeps_failing_ends_after_three_tries(gate: OperationGuard) -> None:
    read = FlakyRead(*[AutoReconnect("connection closed")] * 5)
    with pytest.raises(DomainError) as raised:
        await gate.run_read(read)
    assert raised.value.reason == "UNAVAILABLE"
    assert read.tries == 3


@pytest.mark.parametrize(
    "error",
    [
        ServerSelectionTimeoutError("no server", None),
        WaitQueueTimeoutError("all taken"),
        NetworkTimeout("slow"),
        OperationFailure("bad query", 2),
    ],
    ids=str,
)
async def test_a_read_whose_time_is_over_or_that_is_wrong_is_not_repeated(
    gate: OperationGuard, error: PyMongoError
) -> None:
    read = FlakyRead(error)
    with pytest.raises((DomainError, PyMongoError)):
        await gate.run_read(read)
    assert read.tries == 1


async def test_the_next_batch_of_a_cursor_and_a_write_are_not_repeated(gate: OperationGuard) -> None:
    for entry in (gate.run, gate.run_read_once):
        read = FlakyRead(AutoReconnect("connection closed"))
        with pytest.raises(DomainError):
            await entry(read)
        assert read.tries == 1
