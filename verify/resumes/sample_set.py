"""The set of generated résumés: files with their truth."""

from dataclasses import dataclass
from functools import cache

from services.user.domain.resumes import ResumeMediaType
from verify.resumes.docx_renderer import write_docx
from verify.resumes.pdf_renderer import draw_pdf
from verify.resumes.people import SamplePerson, make_person
from verify.resumes.styles import STYLES, ResumeStyle
from verify.resumes.wording import show_resume


@dataclass(frozen=True)
class SampleResume:
    """A file, and all that it says."""

    style: ResumeStyle
    content: bytes
    truth: SamplePerson


@cache
def generate_resumes() -> tuple[SampleResume, ...]:
    """Return the whole set; the same files each time."""
    return tuple(_generate(number, style) for number, style in enumerate(STYLES))


def _generate(number: int, style: ResumeStyle) -> SampleResume:
    person = make_person(
        number, style.language, is_held_out=style.is_held_out, jobs=style.jobs, schools=style.schools
    )
    shown = show_resume(person, style)
    draw = draw_pdf if style.media_type is ResumeMediaType.PDF else write_docx
    return SampleResume(style, draw(shown, style), shown.truth)
