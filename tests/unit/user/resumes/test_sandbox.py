"""Every file ends in a clear outcome, within bounds of time and memory, and leaves nothing behind."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from chassis.search.gazetteer import Gazetteer
from services.user.domain.resumes import ResumeMediaType, ResumeOutcome, ResumeParsing
from services.user.resumes import child
from services.user.resumes.sandbox import SandboxedResumeParser, SandboxLimits
from services.user.service.resume_parser import ResumeParser
from tests.unit.user.resumes import hostile_files as files
from tests.waiting import wait_until, wait_until_blocking

PDF, DOCX = ResumeMediaType.PDF, ResumeMediaType.DOCX
TOO_LARGE, TIMED_OUT, UNREADABLE = ResumeOutcome.TOO_LARGE, ResumeOutcome.TIMED_OUT, ResumeOutcome.UNREADABLE
ENCRYPTED, NO_TEXT, PARSED = ResumeOutcome.ENCRYPTED, ResumeOutcome.NO_TEXT, ResumeOutcome.PARSED
BUSY_MACHINE_S = 5.0
"""What a deadline may be missed by on a machine with other work."""
SHORT = SandboxLimits(max_cpu_s=2, deadline_s=6.0)
ROOMY = SandboxLimits(max_cpu_s=60, deadline_s=120.0)
"""For files that end by another bound, also where other work takes most of the time."""


@pytest.fixture
def parser(places: Gazetteer) -> ResumeParser:
    return SandboxedResumeParser(ROOMY)


@pytest.fixture(autouse=True)
def no_child_is_left() -> Iterator[None]:
    yield
    assert children_of(os.getpid()) == []


def children_of(pid: int) -> list[psutil.Process]:
    return [each for each in psutil.Process(pid).children(recursive=True) if is_reader(each)]


def is_reader(process: psutil.Process) -> bool:
    """Return whether it is a process that reads a file; not for one that has ended."""
    try:
        return process.status() != psutil.STATUS_ZOMBIE and child.__name__ in process.cmdline()
    except psutil.NoSuchProcess:
        return False


async def test_a_resume_is_read_in_a_process_of_its_own(parser: ResumeParser) -> None:
    parsing = await parser.parse(files.sample("classic"), PDF)

    assert parsing.outcome is PARSED
    assert parsing.resume is not None
    assert parsing.resume.name is not None
    assert parsing.resume.name.value == "Sam Okafor"
    assert parsing.resume.experience[0].parts["organisation"] > 0.5


@pytest.mark.parametrize(
    ("build", "media_type", "outcomes"),
    [
        (files.deflate_bomb, PDF, {TOO_LARGE, TIMED_OUT}),
        (files.exponential_forms, PDF, {TIMED_OUT}),
        (files.form_in_itself, PDF, {UNREADABLE, NO_TEXT}),
        (files.endless_tokens, PDF, {TIMED_OUT}),
        (files.nested_arrays, PDF, {UNREADABLE}),
        (files.page_tree_in_a_circle, PDF, {UNREADABLE}),
        (files.many_pages, PDF, {TOO_LARGE}),
        (files.many_letters, PDF, {TOO_LARGE}),
        (files.huge_image, PDF, {PARSED}),
        (files.scanned_page, PDF, {NO_TEXT}),
        (files.encrypted_pdf, PDF, {ENCRYPTED}),
        (lambda: files.encrypted_pdf(""), PDF, {PARSED}),
        (lambda: files.sample("classic")[:1_500], PDF, {UNREADABLE, NO_TEXT}),
        (lambda: b"", PDF, {UNREADABLE}),
        (lambda: b"MZ" + bytes(5_000), PDF, {UNREADABLE}),
        (files.plain_docx, PDF, {UNREADABLE}),
        (files.zip_bomb, DOCX, {TOO_LARGE}),
        (files.bomb_of_other_parts, DOCX, {TOO_LARGE}),
        (files.lying_zip, DOCX, {UNREADABLE}),
        (files.many_zip_entries, DOCX, {TOO_LARGE}),
        (files.entity_bomb, DOCX, {UNREADABLE, NO_TEXT}),
        (files.nested_xml, DOCX, {UNREADABLE, TOO_LARGE}),
        (files.many_paragraphs, DOCX, {TOO_LARGE}),
        (files.docx_with_macros, DOCX, {PARSED}),
        (files.docm, DOCX, {UNREADABLE}),
        (files.encrypted_docx, DOCX, {ENCRYPTED}),
        (files.old_word_file, DOCX, {UNREADABLE}),
        (lambda: files.plain_docx()[:5_000], DOCX, {UNREADABLE}),
        (lambda: files.sample("classic"), DOCX, {UNREADABLE}),
    ],
)
async def test_a_hostile_file_ends_in_a_clear_outcome_within_bounds(
    build: files.Builder, media_type: ResumeMediaType, outcomes: set[ResumeOutcome], places: Gazetteer
) -> None:
    content, limits = build(), SHORT if TIMED_OUT in outcomes else ROOMY
    parser, began = SandboxedResumeParser(limits), time.monotonic()

    reading = asyncio.ensure_future(parser.parse(content, media_type))
    peak_bytes = await watch_memory(reading)
    parsing = await reading

    assert parsing.outcome in outcomes
    assert (parsing.resume is not None) is (parsing.outcome is PARSED)
    assert time.monotonic() - began < limits.deadline_s + BUSY_MACHINE_S
    assert 0 < peak_bytes <= limits.max_memory_bytes


async def test_a_file_over_the_limit_starts_no_process(places: Gazetteer) -> None:
    parser = SandboxedResumeParser(SandboxLimits(max_content_bytes=10))

    assert await parser.parse(b"%PDF-1.7 longer", PDF) == ResumeParsing(TOO_LARGE)


async def test_a_file_cannot_make_the_parser_read_another_one(parser: ResumeParser, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("Geheimnis")

    parsing = await parser.parse(files.external_entity(secret.as_uri()), DOCX)

    assert "Geheimnis" not in repr(parsing)


async def test_a_file_cannot_make_the_parser_call_somebody(parser: ResumeParser) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.2)
        port = server.getsockname()[1]

        await parser.parse(files.external_entity(f"http://127.0.0.1:{port}/dtd"), DOCX)

        with pytest.raises(TimeoutError):
            server.accept()


def test_the_child_gives_up_what_no_reader_needs() -> None:
    for event, arguments in [
        ("socket.connect", ()),
        ("subprocess.Popen", ()),
        ("os.fork", ()),
        ("open", ("/tmp/x", "w", 0)),
    ]:
        with pytest.raises(PermissionError):
            child.forbid_side_effects(event, arguments)
    child.forbid_side_effects("open", ("/etc/hosts", "rb", 0))


async def test_the_child_knows_no_secret_of_the_service(
    parser: ResumeParser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("IC_DATA_KEY", "secret")
    reading = asyncio.ensure_future(parser.parse(files.exponential_forms(), PDF))
    process = await first_child()

    assert "IC_DATA_KEY" not in process.environ()

    process.kill()
    await reading


async def test_a_child_that_is_killed_ends_its_file_only(parser: ResumeParser) -> None:
    reading = asyncio.ensure_future(parser.parse(files.exponential_forms(), PDF))
    process = await first_child()
    process.kill()

    assert (await reading).outcome is TOO_LARGE
    assert (await parser.parse(files.sample("classic"), PDF)).outcome is PARSED


async def test_a_reading_that_is_cancelled_ends_its_child(parser: ResumeParser) -> None:
    reading = asyncio.ensure_future(parser.parse(files.exponential_forms(), PDF))
    process = await first_child()

    reading.cancel()
    await asyncio.gather(reading, return_exceptions=True)

    assert has_ended(process)


def test_the_child_of_a_killed_parent_ends(tmp_path: Path, places: Gazetteer) -> None:
    bomb = tmp_path / "bomb.pdf"
    bomb.write_bytes(files.exponential_forms())
    program = (
        "import asyncio, pathlib, sys; from services.user.resumes.sandbox import *; "
        "asyncio.run(SandboxedResumeParser().parse(pathlib.Path(sys.argv[1]).read_bytes(), ResumeMediaType.PDF))"
    )
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    parent = subprocess.Popen([sys.executable, "-c", program, str(bomb)], env=environment)
    process = wait_until_blocking(lambda: children_of(parent.pid), "its child")[0]

    parent.send_signal(signal.SIGKILL)
    parent.wait()

    wait_until_blocking(lambda: has_ended(process), "the child's end")


async def test_files_wait_for_their_turn(places: Gazetteer) -> None:
    parser = SandboxedResumeParser(replace(ROOMY, max_concurrent=1))
    readings = [asyncio.ensure_future(parser.parse(files.plain_docx(), DOCX)) for _ in range(3)]

    seen = set[int]()
    while not all(reading.done() for reading in readings):
        seen.add(len(children_of(os.getpid())))
        await asyncio.sleep(0.05)

    assert max(seen) == 1
    assert {(await reading).outcome for reading in readings} == {PARSED}


async def watch_memory(reading: asyncio.Future[ResumeParsing]) -> int:
    """Return the most memory, in bytes, that the child was seen with until the reading is done."""
    peak = 0
    while not reading.done():
        for process in children_of(os.getpid()):
            with suppress(psutil.NoSuchProcess):
                peak = max(peak, process.memory_info().rss)
        await asyncio.sleep(0.02)
    return peak


async def first_child() -> psutil.Process:
    found: list[psutil.Process] = await wait_until(lambda: children_of(os.getpid()), "a child")
    return found[0]


def has_ended(process: psutil.Process) -> bool:
    try:
        return bool(process.status() == psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return True
