"""What reading a résumé costs: in this process, and in one that is started for it."""

import asyncio
import resource
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from chassis.search.gazetteer import shared_gazetteer
from services.user.domain.resumes import ResumeMediaType
from services.user.resumes.parse import parse_to_outcome
from services.user.resumes.sandbox import SandboxedResumeParser
from verify.resumes.sample_set import SampleResume, generate_resumes

MAX_FILES_PER_KIND: Final = 8


@dataclass(frozen=True)
class ReadingCost:
    """Means over some files: CPU and wall time in milliseconds."""

    what: str
    cpu_ms: float
    wall_ms: float


def measure_costs() -> list[ReadingCost]:
    """Return the costs of both kinds of files, in both ways."""
    shared_gazetteer()
    costs = []
    for kind in ResumeMediaType:
        files = [each for each in generate_resumes() if each.style.media_type is kind][:MAX_FILES_PER_KIND]
        _read_here(files)
        costs.append(
            _measure(f"{kind.name}, in a process that stays", files, _read_here, resource.RUSAGE_SELF)
        )
        costs.append(
            _measure(f"{kind.name}, in a new process", files, _read_in_children, resource.RUSAGE_CHILDREN)
        )
    return costs


def _measure(
    what: str, files: list[SampleResume], read: Callable[[list[SampleResume]], None], whose: int
) -> ReadingCost:
    began, before = time.monotonic(), resource.getrusage(whose)
    read(files)
    after, took_s = resource.getrusage(whose), time.monotonic() - began
    cpu_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return ReadingCost(what, 1_000 * cpu_s / len(files), 1_000 * took_s / len(files))


def _read_here(files: list[SampleResume]) -> None:
    for sample in files:
        parse_to_outcome(sample.content, sample.style.media_type)


def _read_in_children(files: list[SampleResume]) -> None:
    async def read_all() -> None:
        parser = SandboxedResumeParser()
        for sample in files:
            await parser.parse(sample.content, sample.style.media_type)

    asyncio.run(read_all())


def render_costs(costs: list[ReadingCost]) -> str:
    """Return the table in Markdown."""
    rows = ["| a file of one or two pages | CPU ms | wall ms |", "|---|---|---|"]
    rows += [f"| {cost.what} | {cost.cpu_ms:.0f} | {cost.wall_ms:.0f} |" for cost in costs]
    return "\n".join(rows) + "\n"
