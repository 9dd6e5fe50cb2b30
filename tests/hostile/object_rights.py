"""Who may see or change whose object: one row for each call whose request names objects."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, cast

from google.protobuf.descriptor import Descriptor, FieldDescriptor

from buf.validate import validate_pb2
from chassis.contracts import RpcSpec, imported_contracts
from chassis.ids import new_id
from tests.hostile.callers import OWNER, SERVICE, STUDENT

PREFIXES: Final = ("usr", "cmp", "int", "app", "ntf")
MEMBERS: Final = (OWNER, "recruiter", "hiring_manager", "viewer")
WRITERS: Final = (OWNER, "recruiter")
MOVING_ROLES: Final = (*WRITERS, "hiring_manager")
ANY_CALLER: Final = ("anybody",)


@dataclass(frozen=True)
class OwnedObjects:
    """The objects of the student and the owner, by ID."""

    student: str
    company: str
    draft: str
    listing: str
    application: str
    notification: str


RequestFields = Mapping[str, Any]


@dataclass(frozen=True)
class ObjectRight:
    """One row.

    `request` names the object; `whose` are the callers to whom it belongs; every other caller whom the
    contract admits by kind and role is answered `hidden`, as if the object did not exist. `leaves_out` says
    that others are answered instead, about their own objects, and that the object is not in the answer.
    """

    request: Callable[[OwnedObjects], RequestFields]
    whose: tuple[str, ...]
    hidden: str = ""
    leaves_out: bool = False


def _listing_right(whose: tuple[str, ...], **more: Any) -> ObjectRight:
    return ObjectRight(lambda known: {"internship_id": known.draft, **more}, whose, "INTERNSHIP_NOT_FOUND")


def _application_right(whose: tuple[str, ...], **more: Any) -> ObjectRight:
    return ObjectRight(
        lambda known: {"application_id": known.application, **more}, whose, "APPLICATION_NOT_FOUND"
    )


OBJECT_RIGHTS: Final[Mapping[str, ObjectRight]] = {
    # Everybody's own: the token names the object, and an ID in the body changes nothing about whose it is.
    "UpdateMe": ObjectRight(
        lambda known: {"me": {"id": known.student, "name": "Mallory"}}, (STUDENT, *MEMBERS), leaves_out=True
    ),
    "UpdateMyCompany": ObjectRight(
        lambda known: {"company": {"id": known.company, "name": "Mallory"}}, WRITERS, leaves_out=True
    ),
    "CreateInternship": ObjectRight(
        lambda known: {"internship": {"title": "Mallory's", "company": {"id": known.company}}},
        WRITERS,
        leaves_out=True,
    ),
    # Public.
    "GetCompany": ObjectRight(lambda known: {"company_id": known.company}, ANY_CALLER),
    "ListInternships": ObjectRight(lambda known: {"company_id": known.company}, ANY_CALLER),
    "SubmitApplication": ObjectRight(
        lambda known: {"internship_id": known.draft}, (), "INTERNSHIP_NOT_FOUND"
    ),
    # Listings are their company's, drafts for its eyes only.
    "GetInternship": _listing_right((*MEMBERS, SERVICE)),
    "UpdateInternship": _listing_right(WRITERS, internship={"title": "Mallory's"}),
    "PublishInternship": _listing_right(WRITERS),
    "PauseInternship": _listing_right(WRITERS),
    "ReopenInternship": _listing_right(WRITERS, openings=7),
    "CloseInternship": _listing_right(WRITERS),
    "RecallInternship": _listing_right(WRITERS),
    "ArchiveInternship": _listing_right(WRITERS),
    "DeleteInternship": _listing_right(WRITERS),
    "ListApplicants": ObjectRight(
        lambda known: {"internship_id": known.listing}, MEMBERS, "INTERNSHIP_NOT_FOUND"
    ),
    "GetFunnel": ObjectRight(lambda known: {"internship_id": known.listing}, MEMBERS, "INTERNSHIP_NOT_FOUND"),
    # Applications are their student's and, the other way round, the listing's company's.
    "GetApplication": _application_right((STUDENT, *MEMBERS)),
    "MoveApplication": _application_right(MOVING_ROLES, to=10, expected_state=8),
    "WithdrawApplication": _application_right((STUDENT,)),
    "AcceptOffer": _application_right((STUDENT,)),
    "DeclineOffer": _application_right((STUDENT,)),
    # An inbox is its reader's.
    "MarkRead": ObjectRight(
        lambda known: {"notification_ids": [known.notification]}, (STUDENT,), "NOTIFICATION_NOT_FOUND"
    ),
    "StreamNotifications": ObjectRight(
        lambda known: {"last_notification_id": known.notification}, (STUDENT,), leaves_out=True
    ),
    "StreamNotificationEvents": ObjectRight(
        lambda known: {"last_notification_id": known.notification}, (STUDENT,), leaves_out=True
    ),
    # Between services only.
    "GetStudentSnapshot": ObjectRight(lambda known: {"student_id": known.student}, (SERVICE,)),
    "BatchGetStudentSnapshots": ObjectRight(lambda known: {"student_ids": [known.student]}, (SERVICE,)),
    "BatchGetIntakes": ObjectRight(lambda known: {"internship_ids": [known.draft]}, (SERVICE,)),
    "ReserveOpening": ObjectRight(
        lambda known: {"internship_id": known.listing, "application_id": known.application}, (SERVICE,)
    ),
    "GetModerationCase": ObjectRight(lambda known: {"internship_id": known.draft}, (SERVICE,)),
    "ModerateInternship": ObjectRight(
        lambda known: {"internship_id": known.draft, "decision": 1, "etag": "v1", "moderator": "mallory"},
        (SERVICE,),
    ),
    "ListCompanies": ObjectRight(lambda known: {"after_id": known.company}, (SERVICE,)),
    "SetCompanyState": ObjectRight(
        lambda known: {"company_id": known.company, "state": 3, "moderator": "mallory"}, (SERVICE,)
    ),
    "TakeOpening": ObjectRight(
        lambda known: {"internship_id": known.listing, "application_id": known.application}, (SERVICE,)
    ),
}


def rpcs_with_ids() -> list[RpcSpec]:
    """Return every call whose request can name an object, however deep."""
    return [rpc for rpc in imported_contracts().rpcs if any(id_fields(rpc))]


def id_fields(rpc: RpcSpec) -> Iterator[tuple[str, str]]:
    """Yield path and prefix of each field that holds IDs."""
    return _id_fields_within(cast(Descriptor, rpc.request_type.DESCRIPTOR), "")


def _id_fields_within(descriptor: Descriptor, path: str) -> Iterator[tuple[str, str]]:
    for field in descriptor.fields:
        if field.message_type is not None:
            yield from _id_fields_within(field.message_type, f"{path}{field.name}.")
        elif prefix := id_prefix(field):
            yield f"{path}{field.name}", prefix


def id_prefix(field: FieldDescriptor) -> str:
    """Return the prefix of the IDs in a field; "" when it holds none."""
    rules = field.GetOptions().Extensions[validate_pb2.field]
    pattern = rules.repeated.items.string.pattern if field.is_repeated else rules.string.pattern
    return next((prefix for prefix in PREFIXES if f"{prefix}_[0-7]" in pattern), "")


def adjacent_ids(id_: str) -> Iterator[str]:
    """Yield IDs beside a true one: with the same time and slot and another random part."""
    alphabet = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
    for place in range(len(id_) - 1, len(id_) - 14, -1):
        for letter in alphabet:
            if letter != id_[place]:
                yield f"{id_[:place]}{letter}{id_[place + 1 :]}"


def unknown_ids(prefix: str, count: int) -> Iterator[str]:
    """Yield IDs of this kind that were never made."""
    return (new_id(prefix) for _ in range(count))
