"""Messages of `ProfileService`: JSON Resumes, completeness, skills, looks at students."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from google.protobuf.struct_pb2 import ListValue, Struct, Value
from protovalidate import Validator

from buf.validate import validate_pb2
from chassis.errors import Violation, invalid_argument
from chassis.grpc.interceptors.validation import to_field_violation
from chassis.grpc.value_rules import ValueRules
from chassis.message_fields import enum_names
from chassis.search.skill_taxonomy import SuggestedSkill
from internshipconnect.common.v1 import common_pb2 as common
from internshipconnect.events.v1 import events_pb2 as events
from internshipconnect.user.v1 import profiles_pb2 as pb
from internshipconnect.user.v1 import user_pb2
from services.user.domain import Profile
from services.user.domain.accesses import AccessRole, ProfileAccess, ProfileAccessKind, ProfileLook
from services.user.domain.completeness import ProfileCompleteness
from services.user.domain.resume_import import ResumeDraft
from services.user.domain.visible_student import VisibleStudent
from services.user.mapping import entity_to_message, me_message

MAX_RESUME_VALUES: Final = 5_000
"""Values of a JSON Resume: far more than a curriculum vitae has, and read in a moment."""
_ROLES: Final = enum_names(common.CompanyRole.DESCRIPTOR)
_KINDS: Final = enum_names(pb.ProfileAccessKind.DESCRIPTOR)


class ContractProfileRules:
    """The contract's rules for the fields of a profile: those of `user_pb2.Me`."""

    def __init__(self) -> None:
        self._validator = Validator()
        self._values = ValueRules(user_pb2.Me.DESCRIPTOR)

    def find_violations(self, profile: Profile) -> Iterator[Violation]:
        """Yield the broken rules; see `ProfileRules`."""
        message = entity_to_message(user_pb2.Me, profile)
        for each in self._values.find_invalid(message):
            yield Violation(".".join(each.path), each.problem)
        for violation in self._validator.collect_violations(message):
            yield to_field_violation(user_pb2.Me.DESCRIPTOR, violation)

    def max_items(self, list_name: str) -> int:
        """Return how many items a list may have; see `ProfileRules`."""
        field = user_pb2.StudentProfile.DESCRIPTOR.fields_by_name[list_name]
        rules: validate_pb2.FieldRules = field.GetOptions().Extensions[validate_pb2.field]
        return rules.repeated.max_items


def document_from_struct(struct: Struct) -> dict[str, Any]:
    """Return the JSON object of a message. Raises INVALID_FIELD for one with too many values."""
    return _StructReader().read(struct)


class _StructReader:
    """Turns messages into JSON values, and counts them as it goes."""

    def __init__(self) -> None:
        self._count = 0

    def read(self, struct: Struct) -> dict[str, Any]:
        return {name: self._value(value) for name, value in struct.fields.items()}

    def _value(self, value: Value) -> Any:
        self._count += 1
        if self._count > MAX_RESUME_VALUES:
            raise invalid_argument(Violation("resume", f"must hold at most {MAX_RESUME_VALUES:,} values"))
        match value.WhichOneof("kind"):
            case "struct_value":
                return self.read(value.struct_value)
            case "list_value":
                return self._list(value.list_value)
            case "string_value":
                return value.string_value
            case "number_value":
                return value.number_value
            case "bool_value":
                return value.bool_value
            case _:
                return None

    def _list(self, values: ListValue) -> list[Any]:
        return [self._value(value) for value in values.values]


def export_response(document: Mapping[str, Any]) -> pb.ExportJsonResumeResponse:
    """Return the answer with a JSON Resume."""
    response = pb.ExportJsonResumeResponse()
    response.resume.update(dict(document))
    return response


def import_response(profile: Profile, draft: ResumeDraft) -> pb.ImportJsonResumeResponse:
    """Return the answer with the profile after an import, and its notes."""
    return pb.ImportJsonResumeResponse(
        me=me_message(profile),
        notes=[pb.ImportNote(path=each.path, problem=each.problem) for each in draft.notes],
        more_notes=draft.more_notes,
    )


def completeness_message(completeness: ProfileCompleteness) -> pb.ProfileCompleteness:
    """Return how complete a profile is."""
    return entity_to_message(pb.ProfileCompleteness, completeness)


def suggestions_message(found: Iterable[SuggestedSkill]) -> pb.SuggestSkillsResponse:
    """Return the suggested skills."""
    return pb.SuggestSkillsResponse(
        suggestions=[
            pb.SkillSuggestion(id=each.skill.id, name=each.skill.name, matched_name=each.matched_name)
            for each in found
        ]
    )


def visible_student_message(student: VisibleStudent) -> pb.VisibleStudent:
    """Return a student as companies see them."""
    return entity_to_message(pb.VisibleStudent, student)


def access_message(access: ProfileAccess) -> pb.ProfileAccess:
    """Return an entry of the access log."""
    return entity_to_message(pb.ProfileAccess, access)


def look_from_event(event: events.ApplicationAccessed) -> ProfileLook:
    """Return the look at an application, or at one of its documents, that an event records."""
    return ProfileLook(
        student_id=event.student_id,
        company_id=event.company_id,
        company_name=event.company_name,
        role=_ROLES.member(AccessRole, event.role),
        kind=_KINDS.member(ProfileAccessKind, event.kind),
        application_id=event.application_id,
    )
