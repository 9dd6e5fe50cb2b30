"""Reads each résumé in a process of its own, which a hostile file can break without harm to the service.

The process is new for each file, and not kept for the next one: nothing of a person's file, nor of what a
hostile one did to the libraries, is there when the next person's file comes. docs/resumes.md has its price.
"""

import asyncio
import os
import signal
import sys
import time
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

import msgspec

from chassis.observability import logging
from services.user.domain.resumes.parsed_resume import ResumeMediaType, ResumeOutcome, ResumeParsing
from services.user.resumes.child import ChildOrder

MODULE: Final = "services.user.resumes.child"
_CHUNK_BYTES: Final = 65_536
_OUTCOMES_BY_SIGNAL: Final = {
    signal.SIGXCPU: ResumeOutcome.TIMED_OUT,
    signal.SIGALRM: ResumeOutcome.TIMED_OUT,
    signal.SIGKILL: ResumeOutcome.TOO_LARGE,  # by the kernel, which is out of memory
}
_PASSED_VARIABLES: Final = ("PATH", "HOME", "XDG_CACHE_HOME", "LANG", "LC_ALL")

_log = logging.get_logger()


@dataclass(frozen=True)
class SandboxLimits:
    """What one file may take."""

    max_content_bytes: int = 10 * 1024 * 1024
    max_memory_bytes: int = 512 * 1024 * 1024
    max_cpu_s: int = 9
    deadline_s: float = 10.0
    max_output_bytes: int = 1024 * 1024
    max_concurrent: int = 1


class SandboxedResumeParser:
    """The parser of the `work` role; at most `max_concurrent` files at once, the others wait."""

    def __init__(self, limits: SandboxLimits | None = None) -> None:
        self._limits = limits or SandboxLimits()
        self._places = asyncio.Semaphore(self._limits.max_concurrent)

    async def parse(self, content: bytes, media_type: ResumeMediaType) -> ResumeParsing:
        """Return the draft or the reason for which there is none; every file ends within the deadline."""
        if len(content) > self._limits.max_content_bytes:
            return ResumeParsing(ResumeOutcome.TOO_LARGE)
        async with self._places:
            began = time.monotonic()
            parsing = await self._parse_in_child(content, media_type)
        took_ms = round(1_000 * (time.monotonic() - began))
        _log.info("resume read", outcome=parsing.outcome.value, media_type=media_type.value, took_ms=took_ms)
        return parsing

    async def _parse_in_child(self, content: bytes, media_type: ResumeMediaType) -> ResumeParsing:
        command = (sys.executable, "-P", "-S", "-m", MODULE, self._order(content, media_type))
        child = await asyncio.create_subprocess_exec(
            *command, stdin=PIPE, stdout=PIPE, stderr=DEVNULL, env=_child_environment()
        )
        try:
            async with asyncio.timeout(self._limits.deadline_s):
                answer = await self._exchange(child, content)
        except TimeoutError:
            return ResumeParsing(ResumeOutcome.TIMED_OUT)
        finally:
            await _end(child)
        return _read_answer(answer, child.returncode)

    def _order(self, content: bytes, media_type: ResumeMediaType) -> str:
        limits = self._limits
        order = ChildOrder(
            media_type.value,
            len(content),
            os.getpid(),
            limits.max_memory_bytes,
            limits.max_cpu_s,
            limits.deadline_s,
            limits.max_output_bytes,
        )
        return msgspec.json.encode(order).decode()

    async def _exchange(self, child: Process, content: bytes) -> bytes | None:
        """Send the file and return the answer; None for one that is too long."""
        assert child.stdin is not None
        assert child.stdout is not None
        sending = asyncio.ensure_future(_send(child.stdin, content))
        try:
            answer = await _read_at_most(child.stdout, self._limits.max_output_bytes)
            if answer is not None:
                await child.wait()
            return answer
        finally:
            sending.cancel()
            await asyncio.gather(sending, return_exceptions=True)


async def _send(stream: asyncio.StreamWriter, content: bytes) -> None:
    # A child that ended early does not read it to the end; its exit says why.
    with suppress(BrokenPipeError, ConnectionResetError):
        stream.write(content)
        await stream.drain()
        stream.close()


async def _read_at_most(stream: asyncio.StreamReader, max_bytes: int) -> bytes | None:
    answer = bytearray()
    while chunk := await stream.read(_CHUNK_BYTES):
        answer += chunk
        if len(answer) > max_bytes:
            return None
    return bytes(answer)


async def _end(child: Process) -> None:
    """Kill the child if it still runs, and wait for its end, so that nothing of it is left."""
    if child.returncode is None:
        with suppress(ProcessLookupError):
            child.kill()
    await asyncio.shield(child.wait())


def _read_answer(answer: bytes | None, code: int | None) -> ResumeParsing:
    """Return the child's answer. It is not trusted: UNREADABLE when it has not the form of one."""
    if answer is None:
        return ResumeParsing(ResumeOutcome.TOO_LARGE)
    if code:
        _log.warning("the reader of a resume failed", exit_code=code)
    if code is None or code < 0:
        ended_by = signal.Signals(-code) if code else signal.SIGKILL
        return ResumeParsing(_OUTCOMES_BY_SIGNAL.get(ended_by, ResumeOutcome.UNREADABLE))
    try:
        parsing = msgspec.json.decode(answer, type=ResumeParsing)
    except msgspec.DecodeError:
        return ResumeParsing(ResumeOutcome.UNREADABLE)
    if (parsing.outcome is ResumeOutcome.PARSED) != (parsing.resume is not None):
        return ResumeParsing(ResumeOutcome.UNREADABLE)
    return parsing


def _child_environment() -> Mapping[str, str]:
    """Return what Python needs to find its modules; the service's settings and secrets are not in it."""
    passed = {name: os.environ[name] for name in _PASSED_VARIABLES if name in os.environ}
    return passed | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "PYTHONDONTWRITEBYTECODE": "1"}
