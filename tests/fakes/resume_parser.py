"""A parser of résumés that gives the answers it was made with."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from services.user.domain.resumes import ParsedResume, ResumeMediaType, ResumeOutcome, ResumeParsing

_MAGIC: Final = {ResumeMediaType.PDF: b"%PDF-", ResumeMediaType.DOCX: b"PK"}


@dataclass
class FakeResumeParser:
    """Answers by content; of other files it looks at the first bytes only, and makes an empty draft."""

    answers: Mapping[bytes, ResumeParsing] = field(default_factory=dict)
    calls: list[tuple[bytes, ResumeMediaType]] = field(default_factory=list)

    async def parse(self, content: bytes, media_type: ResumeMediaType) -> ResumeParsing:
        self.calls.append((content, media_type))
        if content in self.answers:
            return self.answers[content]
        if not content.startswith(_MAGIC[media_type]):
            return ResumeParsing(ResumeOutcome.UNREADABLE)
        return ResumeParsing(ResumeOutcome.PARSED, ParsedResume())
