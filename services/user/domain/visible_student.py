"""Students as members of companies see them who have found them."""

from dataclasses import dataclass, replace

from services.user.domain.profile import Profile, Student, Visibility
from services.user.domain.schools import find_verified_school, is_student_verified


@dataclass(frozen=True, slots=True)
class VisibleStudent:
    """A student's profile without its settings; a `blind` one hides who the student is."""

    id: str
    name: str
    profile: Student
    student_verified: bool = False
    verified_school: str = ""
    blind: bool = False


def visible_student(profile: Profile) -> VisibleStudent:
    """Return the student as companies see them."""
    return VisibleStudent(
        id=profile.id,
        name=profile.name,
        profile=without_settings(profile.student or Student()),
        student_verified=is_student_verified(profile),
        verified_school=find_verified_school(profile),
    )


def without_settings(student: Student) -> Student:
    """Return the student's part without the rules about who may see it."""
    return replace(student, visibility=Visibility.UNSPECIFIED, blocked_company_ids=())
