"""A connection that a Redis node has reset is a failure of Redis, on the event loop that services run on."""

import asyncio
import socket
import struct
from asyncio import StreamReader, StreamWriter

import pytest
import uvloop

from chassis.redis.client import REDIS_ERRORS, ResetAwareConnection, connect_redis
from tests.waiting import WAIT_TIMEOUT_S, wait_until

_AT_ONCE = struct.pack("ii", 1, 0)


async def _agree_and_wait(reader: StreamReader, writer: StreamWriter) -> None:
    """Answer OK to every command, including those that open a connection."""
    while data := await reader.read(65_536):
        writer.write(b"+OK\r\n" * data.count(b"*"))


async def _use_after_reset() -> BaseException | None:
    writers: list[StreamWriter] = []

    async def serve(reader: StreamReader, writer: StreamWriter) -> None:
        writers.append(writer)
        await _agree_and_wait(reader, writer)

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    connection = ResetAwareConnection(host="127.0.0.1", port=server.sockets[0].getsockname()[1], protocol=2)
    await connection.connect()  # type: ignore[no-untyped-call]
    [writer] = writers
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _AT_ONCE)
    writer.transport.abort()
    await wait_until(connection._writer.transport.is_closing)  # type: ignore[union-attr]
    try:
        await connection.send_command("PING")
    except Exception as error:
        return error
    finally:
        await connection.disconnect(nowait=True)
        server.close()
    return None


def test_a_command_on_a_connection_that_was_reset_fails_as_redis_fails() -> None:
    assert isinstance(uvloop.run(_use_after_reset()), REDIS_ERRORS)


async def test_a_connection_that_is_given_up_while_a_command_is_sent_fails_as_redis_fails() -> None:
    server = await asyncio.start_server(_agree_and_wait, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    connection = ResetAwareConnection(host="127.0.0.1", port=port, protocol=2, socket_timeout=WAIT_TIMEOUT_S)
    await connection.connect()  # type: ignore[no-untyped-call]
    # With a time limit the sending is a task of its own, and the other one comes before it.
    sending = asyncio.create_task(connection.send_command("PING"))
    giving_up = asyncio.create_task(connection.disconnect(nowait=True))
    with pytest.raises(REDIS_ERRORS):
        await sending
    await giving_up
    server.close()


async def test_the_clusters_client_has_such_connections_to_every_node() -> None:
    cluster = connect_redis(["127.0.0.1:7101", "127.0.0.1:7102"], "secret")
    assert {node.connection_class for node in cluster.startup_nodes} == {ResetAwareConnection}
    assert cluster.nodes_manager.connection_kwargs["connection_class"] is ResetAwareConnection
    await cluster.aclose()
