"""The measure over the whole set, and its table in docs/resumes.md."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ops.paths import REPO
from services.user.domain.resumes import ParsedResume
from services.user.resumes.parse import parse_to_outcome
from verify.resumes.sample_set import SampleResume, generate_resumes
from verify.resumes.scores import FIELDS, FieldScore, score_resumes

PAGE: Final = REPO / "docs" / "resumes.md"
_TABLE: Final = re.compile(r"(?<=<!-- measured -->\n).*?(?=<!-- /measured -->)", re.DOTALL)


@dataclass(frozen=True)
class MeasuredFields:
    """The scores by field: of the layouts that the rules were tuned on, and of those held out."""

    tuned: dict[str, FieldScore]
    held_out: dict[str, FieldScore]


def measure_resumes(samples: Iterable[SampleResume] | None = None) -> MeasuredFields:
    """Read every file, and compare it with its truth; a file that is not read counts as an empty one."""
    read = [(sample, _read(sample)) for sample in (samples or generate_resumes())]
    return MeasuredFields(_scores(read, is_held_out=False), _scores(read, is_held_out=True))


def _read(sample: SampleResume) -> ParsedResume:
    return parse_to_outcome(sample.content, sample.style.media_type).resume or ParsedResume()


def _scores(read: Iterable[tuple[SampleResume, ParsedResume]], *, is_held_out: bool) -> dict[str, FieldScore]:
    return score_resumes(
        (sample.style.name, resume, sample.truth)
        for sample, resume in read
        if sample.style.is_held_out is is_held_out
    )


def render_table(measured: MeasuredFields) -> str:
    """Return the table in Markdown, with the number of true values of each field."""
    rows = [
        "| field | precision | recall | values | held out: precision | recall | values |",
        "|---|---|---|---|---|---|---|",
    ]
    for name in FIELDS:
        cells = []
        for score in (measured.tuned[name], measured.held_out[name]):
            cells += [f"{score.precision:.2f}", f"{score.recall:.2f}", str(score.right + score.missed)]
        rows.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(rows) + "\n"


def read_table(page: Path) -> str:
    """Return the table that the page holds. Raises ValueError when it has no place for one."""
    found = _TABLE.search(page.read_text())
    if found is None:
        raise ValueError(f"{page.name} has no marks for the table")
    return found[0]


def write_table(page: Path, table: str) -> None:
    """Put the table between the page's marks."""
    page.write_text(_TABLE.sub(lambda _: table, page.read_text()))
