"""What every parser of résumés does, the fake as well as the real one."""

import pytest

from chassis.search.gazetteer import Gazetteer
from services.user.domain.resumes import ResumeMediaType, ResumeOutcome, ResumeParsing
from services.user.resumes.sandbox import SandboxedResumeParser, SandboxLimits
from services.user.service.resume_parser import ResumeParser
from tests.fakes.resume_parser import FakeResumeParser
from tests.unit.user.resumes.hostile_files import plain_docx, sample


@pytest.fixture(params=["fake", "sandboxed"])
def parser(request: pytest.FixtureRequest, places: Gazetteer) -> ResumeParser:
    return (
        FakeResumeParser()
        if request.param == "fake"
        else SandboxedResumeParser(SandboxLimits(max_cpu_s=60, deadline_s=120.0))
    )


async def test_a_file_that_can_be_read_makes_a_draft(parser: ResumeParser) -> None:
    for content, media_type in [
        (sample("classic"), ResumeMediaType.PDF),
        (plain_docx(), ResumeMediaType.DOCX),
    ]:
        parsing = await parser.parse(content, media_type)

        assert parsing.outcome is ResumeOutcome.PARSED
        assert parsing.resume is not None


@pytest.mark.parametrize("media_type", ResumeMediaType)
@pytest.mark.parametrize("content", [b"", b"\x00" * 100, "Sam Okafor".encode("utf-16")])
async def test_other_bytes_make_none_and_raise_nothing(
    content: bytes, media_type: ResumeMediaType, parser: ResumeParser
) -> None:
    assert await parser.parse(content, media_type) == ResumeParsing(ResumeOutcome.UNREADABLE)


async def test_a_file_of_the_other_kind_is_not_read(parser: ResumeParser) -> None:
    assert await parser.parse(plain_docx(), ResumeMediaType.PDF) == ResumeParsing(ResumeOutcome.UNREADABLE)
