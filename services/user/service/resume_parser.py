"""The port to what reads résumés."""

from typing import Protocol

from services.user.domain.resumes import ResumeMediaType, ResumeParsing


class ResumeParser(Protocol):
    """Reads files that nobody has looked at yet; `services.user.resumes.sandbox` is the real one."""

    async def parse(self, content: bytes, media_type: ResumeMediaType) -> ResumeParsing:
        """Return the draft, or the outcome that says why there is none, whatever the file holds."""
