"""What a front does to the connections that pass it, over real sockets."""

import asyncio
import time

import pytest

from devstack.fault_proxy.pipe import MAX_HELD_BYTES
from tests.unit.devstack.fault_proxy.echo import ProxiedEchoServer, on_its_loop
from tests.waiting import WAIT_TIMEOUT_S, wait_until

LARGE = bytes(range(256)) * 40_000

TIMER_RESOLUTION_S = 0.01
"""The event loop rounds its timers to milliseconds of a time that it reads once a turn."""


async def all_is_held(before: ProxiedEchoServer, count: int) -> None:
    """Return when the front has got this number of bytes and passed none of them on."""
    await wait_until(lambda: before.front.held_bytes == count)


@on_its_loop
async def test_without_a_fault_everything_passes_in_both_directions(before: ProxiedEchoServer) -> None:
    reader, writer = await before.client()
    writer.write(LARGE)
    assert await reader.readexactly(len(LARGE)) == LARGE


@on_its_loop
async def test_a_client_that_has_said_all_still_gets_the_rest_of_the_answer(
    before: ProxiedEchoServer,
) -> None:
    reader, writer = await before.client()
    writer.write(b"question")
    writer.write_eof()
    assert await reader.read() == b"questionthat was all"


@on_its_loop
async def test_an_answer_comes_as_much_later_as_the_delay_says(before: ProxiedEchoServer) -> None:
    reader, writer = await before.client()
    before.obey(kind="delay", delay_s=0.2)
    began = time.monotonic()
    writer.write(b"question")
    assert await reader.readexactly(8) == b"question"
    assert time.monotonic() - began >= 0.2 - TIMER_RESOLUTION_S


@on_its_loop
async def test_with_jitter_nothing_overtakes_what_was_sent_before(before: ProxiedEchoServer) -> None:
    reader, writer = await before.client()
    before.obey(kind="delay", delay_s=0.02, jitter_s=0.02)
    sent = b""
    for number in range(100):
        part = f"{number},".encode()
        writer.write(part)
        sent += part
        await asyncio.sleep(0.001)
    assert await reader.readexactly(len(sent)) == sent


@on_its_loop
async def test_what_a_delay_holds_leaves_at_once_when_the_delay_is_over(before: ProxiedEchoServer) -> None:
    reader, writer = await before.client()
    before.obey(kind="delay", delay_s=600)
    writer.write(b"question")
    await all_is_held(before, 8)
    before.obey()
    async with asyncio.timeout(WAIT_TIMEOUT_S):
        assert await reader.readexactly(8) == b"question"


@on_its_loop
async def test_while_a_store_hangs_nothing_passes_and_afterwards_nothing_is_missing(
    before: ProxiedEchoServer,
) -> None:
    reader, writer = await before.client()
    before.obey(kind="hang")
    writer.write(LARGE)
    writer.write_eof()
    await wait_until(lambda: before.front.held_bytes > MAX_HELD_BYTES)
    assert before.echo.heard == b""
    before.obey()
    assert await reader.read() == LARGE + b"that was all"


@on_its_loop
async def test_a_client_of_a_store_that_hangs_waits_as_for_a_full_network(before: ProxiedEchoServer) -> None:
    _, writer = await before.client()
    before.obey(kind="hang")

    async def send_much() -> None:
        for _ in range(100):
            writer.write(bytes(MAX_HELD_BYTES))
            await writer.drain()

    sending = asyncio.create_task(send_much())
    await wait_until(lambda: before.front.held_bytes > MAX_HELD_BYTES)
    assert not sending.done()
    assert before.front.held_bytes < 2 * MAX_HELD_BYTES
    sending.cancel()
    await asyncio.gather(sending, return_exceptions=True)


@on_its_loop
async def test_a_store_that_hangs_takes_new_clients_and_answers_them_when_it_is_over(
    before: ProxiedEchoServer,
) -> None:
    before.obey(kind="hang")
    reader, writer = await before.client()
    writer.write(b"question")
    await all_is_held(before, 8)
    assert before.echo.clients == 0
    before.obey()
    assert await reader.readexactly(8) == b"question"


@on_its_loop
async def test_a_new_client_that_gave_up_on_a_store_that_hangs_never_reaches_it(
    before: ProxiedEchoServer,
) -> None:
    before.obey(kind="hang")
    _, impatient = await before.client()
    impatient.write(b"never mind")
    await all_is_held(before, 10)
    impatient.close()
    await wait_until(lambda: before.front.connections == 0)
    reader, writer = await before.client()
    await wait_until(lambda: before.front.connections == 1)
    before.obey()
    writer.write(b"question")
    assert await reader.readexactly(8) == b"question"
    assert (before.echo.clients, before.echo.heard) == (1, b"question")


@on_its_loop
async def test_what_was_sent_before_a_client_gave_up_reaches_the_store_later(
    before: ProxiedEchoServer,
) -> None:
    reader, writer = await before.client()
    writer.write(b"first ")
    await reader.readexactly(6)
    before.obey(kind="hang")
    writer.write(b"second")
    await all_is_held(before, 6)
    writer.close()
    assert before.echo.heard == b"first "
    before.obey()
    await wait_until(lambda: before.echo.heard == b"first second")


@on_its_loop
async def test_down_resets_the_connections_that_exist_on_both_sides(before: ProxiedEchoServer) -> None:
    reader, writer = await before.client()
    writer.write(b"question")
    await reader.readexactly(8)
    before.obey(kind="down")
    with pytest.raises(ConnectionResetError):
        await reader.read(1)
    await wait_until(lambda: before.echo.broken == 1)


@on_its_loop
async def test_down_resets_new_connections_and_up_again_lets_them_pass(before: ProxiedEchoServer) -> None:
    before.obey(kind="down")
    reader, _ = await before.client()
    with pytest.raises(ConnectionResetError):
        await reader.read(1)
    before.obey()
    reader, writer = await before.client()
    writer.write(b"question")
    assert await reader.readexactly(8) == b"question"
    assert before.echo.clients == 1


@on_its_loop
async def test_a_share_of_the_connections_is_concerned_and_the_others_are_not(
    before: ProxiedEchoServer,
) -> None:
    before.obey(kind="down", percent=50)
    outcomes = []
    for _ in range(60):
        reader, writer = await before.client()
        writer.write(b"?")
        try:
            outcomes.append(await reader.read(1) == b"?")
        except ConnectionResetError:
            outcomes.append(False)
    assert 10 <= sum(outcomes) <= 50


@on_its_loop
async def test_a_store_that_is_really_down_looks_so_through_the_front(before: ProxiedEchoServer) -> None:
    before.echo.stop()
    reader, _ = await before.client()
    with pytest.raises(ConnectionResetError):
        await reader.read(1)
