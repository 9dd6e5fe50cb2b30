"""Who may see or change whose object: one row for each call whose request names objects."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, cast

from google.protobuf.descriptor import Descriptor, FieldDescriptor

from buf.validate import validate_pb2
from chassis.contracts import RpcSpec, imported
from chassis.ids import new_id
from tests.hostile.cast import OWNER, SERVICE, STUDENT

PREFIXES: Final = ("usr", "cmp", "int", "app", "ntf")
MEMBERS: Final = (OWNER, "recruiter", "hiring_manager", "viewer")
WRITERS: Final = (OWNER, "recruiter")
MOVERS: Final = (*WRITERS, "hiring_manager")
ANYBODY: Final = ("anybody",)


@dataclass(frozen=True)
class Objects:
    """What belongs to the student and the owner of the cast, by ID."""

    student: str
    company: str
    draft: str
    listing: str
    application: str
    notification: str


Fields = Mapping[str, Any]


@dataclass(frozen=True)
class Right:
    """One row.

    `request` names the object; `whose` are the callers to whom it belongs; every other caller whom the
    contract admits by kind and role is answered `hidden`, as if the object did not exist. `leaves_out` says
    that others are answered instead, about what is theirs, and that the object is not in the answer.
    """

    request: Callable[[Objects], Fields]
    whose: tuple[str, ...]
    hidden: str = ""
    leaves_out: bool = False


def _listing(whose: tuple[str, ...], **more: Any) -> Right:
    return Right(lambda known: {"internship_id": known.draft, **more}, whose, "INTERNSHIP_NOT_FOUND")


def _application(whose: tuple[str, ...], **more: Any) -> Right:
    return Right(lambda known: {"application_id": known.application, **more}, whose, "APPLICATION_NOT_FOUND")


RIGHTS: Final[Mapping[str, Right]] = {
    # Everybody's own: the token names the object, and an ID in the body changes nothing about whose it is.
    "UpdateMe": Right(
        lambda known: {"me": {"id": known.student, "name": "Mallory"}}, (STUDENT, *MEMBERS), leaves_out=True
    ),
    "UpdateMyCompany": Right(
        lambda known: {"company": {"id": known.company, "name": "Mallory"}}, WRITERS, leaves_out=True
    ),
    "CreateInternship": Right(
        lambda known: {"internship": {"title": "Mallory's", "company": {"id": known.company}}},
        WRITERS,
        leaves_out=True,
    ),
    # Public.
    "GetCompany": Right(lambda known: {"company_id": known.company}, ANYBODY),
    "ListInternships": Right(lambda known: {"company_id": known.company}, ANYBODY),
    "SubmitApplication": Right(lambda known: {"internship_id": known.draft}, (), "INTERNSHIP_NOT_FOUND"),
    # Listings are their company's, drafts for its eyes only.
    "GetInternship": _listing((*MEMBERS, SERVICE)),
    "UpdateInternship": _listing(WRITERS, internship={"title": "Mallory's"}),
    "PublishInternship": _listing(WRITERS),
    "PauseInternship": _listing(WRITERS),
    "ReopenInternship": _listing(WRITERS, openings=7),
    "CloseInternship": _listing(WRITERS),
    "RecallInternship": _listing(WRITERS),
    "ArchiveInternship": _listing(WRITERS),
    "DeleteInternship": _listing(WRITERS),
    "ListApplicants": Right(lambda known: {"internship_id": known.listing}, MEMBERS, "INTERNSHIP_NOT_FOUND"),
    "GetFunnel": Right(lambda known: {"internship_id": known.listing}, MEMBERS, "INTERNSHIP_NOT_FOUND"),
    # Applications are their student's and, the other way round, the listing's company's.
    "GetApplication": _application((STUDENT, *MEMBERS)),
    "MoveApplication": _application(MOVERS, to=10, expected_state=8),
    "WithdrawApplication": _application((STUDENT,)),
    "AcceptOffer": _application((STUDENT,)),
    "DeclineOffer": _application((STUDENT,)),
    # An inbox is its reader's.
    "MarkRead": Right(
        lambda known: {"notification_ids": [known.notification]}, (STUDENT,), "NOTIFICATION_NOT_FOUND"
    ),
    "StreamNotifications": Right(
        lambda known: {"last_notification_id": known.notification}, (STUDENT,), leaves_out=True
    ),
    "StreamNotificationEvents": Right(
        lambda known: {"last_notification_id": known.notification}, (STUDENT,), leaves_out=True
    ),
    # Between services only.
    "GetStudentSnapshot": Right(lambda known: {"student_id": known.student}, (SERVICE,)),
    "BatchGetStudentSnapshots": Right(lambda known: {"student_ids": [known.student]}, (SERVICE,)),
    "BatchGetIntakes": Right(lambda known: {"internship_ids": [known.draft]}, (SERVICE,)),
    "ReserveOpening": Right(
        lambda known: {"internship_id": known.listing, "application_id": known.application}, (SERVICE,)
    ),
    "GetModerationCase": Right(lambda known: {"internship_id": known.draft}, (SERVICE,)),
    "ModerateInternship": Right(
        lambda known: {"internship_id": known.draft, "decision": 1, "etag": "v1", "moderator": "mallory"},
        (SERVICE,),
    ),
    "ListCompanies": Right(lambda known: {"after_id": known.company}, (SERVICE,)),
    "SetCompanyState": Right(
        lambda known: {"company_id": known.company, "state": 3, "moderator": "mallory"}, (SERVICE,)
    ),
    "TakeOpening": Right(
        lambda known: {"internship_id": known.listing, "application_id": known.application}, (SERVICE,)
    ),
}


def calls_with_ids() -> list[RpcSpec]:
    """Every call in whose request, however deep, an object can be named."""
    return [rpc for rpc in imported().rpcs if any(id_fields(rpc))]


def id_fields(rpc: RpcSpec) -> Iterator[tuple[str, str]]:
    """Path and prefix of each field that holds IDs."""
    return _within(cast(Descriptor, rpc.request.DESCRIPTOR), "")


def _within(descriptor: Descriptor, path: str) -> Iterator[tuple[str, str]]:
    for field in descriptor.fields:
        if field.message_type is not None:
            yield from _within(field.message_type, f"{path}{field.name}.")
        elif prefix := prefix_of(field):
            yield f"{path}{field.name}", prefix


def prefix_of(field: FieldDescriptor) -> str:
    """Of which kind the IDs are that a field holds; empty when it holds none."""
    rules = field.GetOptions().Extensions[validate_pb2.field]
    pattern = rules.repeated.items.string.pattern if field.is_repeated else rules.string.pattern
    return next((prefix for prefix in PREFIXES if f"{prefix}_[0-7]" in pattern), "")


def neighbours(id_: str) -> Iterator[str]:
    """IDs beside a true one: the same moment and place, another end."""
    alphabet = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
    for place in range(len(id_) - 1, len(id_) - 14, -1):
        for letter in alphabet:
            if letter != id_[place]:
                yield f"{id_[:place]}{letter}{id_[place + 1 :]}"


def strangers(prefix: str, count: int) -> Iterator[str]:
    """IDs of this kind that nobody ever made."""
    return (new_id(prefix) for _ in range(count))
