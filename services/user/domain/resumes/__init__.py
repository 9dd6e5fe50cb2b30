"""Reading résumés: rules from text to a draft of a profile, pure and without I/O."""

from services.user.domain.resumes.parsed_resume import (
    ParsedResume,
    ReadValue,
    ResumeMediaType,
    ResumeOutcome,
    ResumeParsing,
    ResumeReadError,
)

__all__ = [
    "ParsedResume",
    "ReadValue",
    "ResumeMediaType",
    "ResumeOutcome",
    "ResumeParsing",
    "ResumeReadError",
]
