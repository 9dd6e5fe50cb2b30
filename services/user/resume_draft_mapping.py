"""Drafts of profiles to contract messages, and into profiles."""

from collections.abc import Collection
from typing import Final

from chassis.errors import Violation, invalid_argument
from chassis.field_masks import apply_mask
from chassis.message_fields import enum_names
from internshipconnect.user.v1 import documents_pb2 as pb
from internshipconnect.user.v1 import user_pb2
from services.user.domain import Profile
from services.user.domain.profile_drafts import FAILURE_WORDS, ProfileDraft, TakeDraft
from services.user.mapping import edited_profile, entity_to_message, me_message

_PATHS: Final = {
    pb.RESUME_DRAFT_FIELD_NAME: "name",
    pb.RESUME_DRAFT_FIELD_SUMMARY: "student.summary",
    pb.RESUME_DRAFT_FIELD_LOCATION: "student.location",
    pb.RESUME_DRAFT_FIELD_LINKS: "student.links",
    pb.RESUME_DRAFT_FIELD_EDUCATION: "student.education",
    pb.RESUME_DRAFT_FIELD_EXPERIENCE: "student.experience",
    pb.RESUME_DRAFT_FIELD_SKILLS: "student.skills",
    pb.RESUME_DRAFT_FIELD_LANGUAGES: "student.languages",
}
"""Where each field of a draft stands in a profile."""
_FAILURES: Final = enum_names(pb.ResumeDraftFailure.DESCRIPTOR)
_STATES: Final = enum_names(pb.ResumeDraftState.DESCRIPTOR)


def resume_draft_message(draft: ProfileDraft) -> pb.ResumeDraft:
    """Return the draft as its owner sees it."""
    message = pb.ResumeDraft(
        document_id=draft.id,
        version=draft.document_version,
        state=_STATES.number(draft.state),
        failure=_FAILURES.number(draft.failure),
        problem=FAILURE_WORDS[draft.failure],
        name=draft.name,
        confidences=[
            pb.FieldConfidence(path=each.path, confidence=each.confidence) for each in draft.confidences
        ],
    )
    if draft.student is not None:
        message.profile.CopyFrom(_values_of(draft).student)
    if draft.read_time is not None:
        message.read_time.FromDatetime(draft.read_time)
    return message


def taken_draft(request: pb.ConfirmResumeDraftRequest) -> TakeDraft:
    """Return how the values that a request asks for come into a profile.

    They are the draft's, or those of `me`, which may also be empty where a field is named. Lists replace
    those of the profile. To take nothing is INVALID_FIELD, as the draft is taken once.
    """

    def take(profile: Profile, draft: ProfileDraft) -> Profile:
        is_edited = request.HasField("me")
        values = request.me if is_edited else _values_of(draft)
        held = {path for path in _PATHS.values() if _is_held(values, path)}
        named = {_PATHS[field] for field in request.fields}
        chosen = _chosen(named, held, is_edited=is_edited)
        if not chosen:
            raise invalid_argument(Violation("fields", "names nothing that the draft holds"))
        message = me_message(profile)
        apply_mask(message, values, chosen)
        return edited_profile(profile, message)

    return take


def _chosen(named: Collection[str], held: Collection[str], *, is_edited: bool) -> list[str]:
    if not named:
        return sorted(held)
    return sorted(named) if is_edited else sorted(set(named) & set(held))


def _values_of(draft: ProfileDraft) -> user_pb2.Me:
    """Return the draft's values as a profile; nothing but what was read."""
    values = user_pb2.Me(name=draft.name)
    if draft.student is not None:
        values.student.CopyFrom(entity_to_message(user_pb2.StudentProfile, draft.student))
        values.student.ClearField("visibility")
    return values


def _is_held(values: user_pb2.Me, path: str) -> bool:
    parent, _, field = path.rpartition(".")
    message = values.student if parent else values
    return any(descriptor.name == field for descriptor, _ in message.ListFields())
