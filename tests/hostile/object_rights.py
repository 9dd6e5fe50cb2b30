"""Who may see or change whose object: one row for each call whose request names objects."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, cast

from google.protobuf.descriptor import Descriptor, FieldDescriptor

from buf.validate import validate_pb2
from chassis.contracts import RpcSpec, imported_contracts
from chassis.ids import new_id
from tests.hostile.callers import ADMIN, MODERATOR, OWNER, SERVICE, STUDENT

PREFIXES: Final = ("usr", "cmp", "int", "app", "ntf", "doc", "inv", "ses", "key", "idn", "exp", "pky")
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
    document: str
    colleague: str
    invitation: str
    session: str
    export: str
    api_key: str
    identity: str
    passkey: str


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


def _document_right(whose: tuple[str, ...] = (STUDENT,), **more: Any) -> ObjectRight:
    return ObjectRight(lambda known: {"document_id": known.document, **more}, whose, "DOCUMENT_NOT_FOUND")


def _document_link(**more: Any) -> ObjectRight:
    """Return the row of a call that a ticket opens to its holder; a wrong one opens nothing to anybody."""
    return ObjectRight(
        lambda known: {"document_id": known.document, "ticket": "bm90IG91cnM", **more}, (), "LINK_INVALID"
    )


def _member_right(**more: Any) -> ObjectRight:
    return ObjectRight(lambda known: {"user_id": known.colleague, **more}, (OWNER,), "MEMBER_NOT_FOUND")


def _account_right(**more: Any) -> ObjectRight:
    return ObjectRight(lambda known: {"user_id": known.student, **more}, (ADMIN,))


def _export_right() -> ObjectRight:
    return ObjectRight(lambda known: {"export_id": known.export}, (STUDENT,), "DATA_EXPORT_NOT_FOUND")


def _invitation_right() -> ObjectRight:
    return ObjectRight(lambda known: {"invitation_id": known.invitation}, (OWNER,), "INVITATION_NOT_FOUND")


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
    # A session is its owner's.
    "EndSession": ObjectRight(lambda known: {"session_id": known.session}, (STUDENT,), "SESSION_NOT_FOUND"),
    # An identity at another provider signs in to one account.
    "UnlinkIdentity": ObjectRight(
        lambda known: {"identity_id": known.identity}, (STUDENT,), "IDENTITY_NOT_FOUND"
    ),
    # A passkey signs in to one account.
    "RenamePasskey": ObjectRight(
        lambda known: {"passkey_id": known.passkey, "name": "Mallory's"}, (STUDENT,), "PASSKEY_NOT_FOUND"
    ),
    "RemovePasskey": ObjectRight(
        lambda known: {"passkey_id": known.passkey}, (STUDENT,), "PASSKEY_NOT_FOUND"
    ),
    # API keys are their company's, for its owners.
    "RevokeApiKey": ObjectRight(lambda known: {"api_key_id": known.api_key}, (OWNER,), "API_KEY_NOT_FOUND"),
    # Accounts of others are for administrators.
    "GetAccount": _account_right(),
    "ListAccountSecurityEvents": _account_right(),
    "SetPlan": _account_right(plan=3),
    "SuspendAccount": _account_right(reason="Mallory's"),
    "RestoreAccount": _account_right(reason="Mallory's"),
    "SetCompanyPlan": ObjectRight(lambda known: {"company_id": known.company, "plan": 3}, (ADMIN,)),
    # Public.
    "GetCompany": ObjectRight(lambda known: {"company_id": known.company}, ANY_CALLER),
    "ListInternships": ObjectRight(lambda known: {"company_id": known.company}, ANY_CALLER),
    "SubmitApplication": ObjectRight(
        lambda known: {"internship_id": known.draft}, (), "INTERNSHIP_NOT_FOUND"
    ),
    # Listings are their company's, drafts for its eyes only.
    "GetInternship": _listing_right((*MEMBERS, SERVICE, ADMIN, MODERATOR)),
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
    "GetApplicationDocumentUrl": ObjectRight(
        lambda known: {"application_id": known.application, "document_id": known.document},
        (STUDENT, *MEMBERS),
        "APPLICATION_NOT_FOUND",
    ),
    "MoveApplication": _application_right(MOVING_ROLES, to=10, expected_state=8),
    "WithdrawApplication": _application_right((STUDENT,)),
    "AcceptOffer": _application_right((STUDENT,)),
    "DeclineOffer": _application_right((STUDENT,)),
    "PlaceLegalHold": _application_right((ADMIN, MODERATOR), reason="Mallory's"),
    "LiftLegalHold": _application_right((ADMIN, MODERATOR)),
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
    # Documents are their student's; a link is good for one of them.
    "GetDocument": _document_right(),
    "UpdateDocument": _document_right(document={"name": "Mallory's"}),
    "DeleteDocument": _document_right(),
    "CreateDocumentVersion": _document_right(),
    "GetDownloadUrl": _document_right(),
    "GetResumeDraft": _document_right(),
    "ConfirmResumeDraft": _document_right(me={"name": "Mallory"}),
    "DiscardResumeDraft": _document_right(),
    "UploadDocument": _document_link(content={"data": "JVBERi0xLjcK"}),
    "DownloadDocument": _document_link(),
    # A copy of a person's data is theirs alone; a link is good for one of them.
    "GetDataExport": _export_right(),
    "GetDataExportUrl": _export_right(),
    "DownloadDataExport": ObjectRight(
        lambda known: {"export_id": known.export, "ticket": "bm90IG91cnM"}, (), "LINK_INVALID"
    ),
    # Students are for companies whom their settings admit: this one is not to be found.
    "GetStudent": ObjectRight(lambda known: {"student_id": known.student}, (), "USER_NOT_FOUND"),
    # A company's people are its owners' to manage.
    "UpdateMemberRole": _member_right(role=1),
    "RemoveMember": _member_right(),
    "TransferOwnership": _member_right(),
    "RevokeInvitation": _invitation_right(),
    "ResendInvitation": _invitation_right(),
    # Between services only.
    "HoldDocuments": ObjectRight(
        lambda known: {
            "application_id": known.application,
            "student_id": known.student,
            "document_ids": [known.document],
        },
        (SERVICE,),
    ),
    "SettleDocumentHolds": ObjectRight(lambda known: {"application_ids": [known.application]}, (SERVICE,)),
    "GetHeldDocumentUrl": ObjectRight(
        lambda known: {"application_id": known.application, "document_id": known.document}, (SERVICE,)
    ),
    "ListPersonalData": ObjectRight(lambda known: {"user_id": known.student}, (SERVICE,)),
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
        if field.message_type is not None and field.message_type.file.package == "google.protobuf":
            continue
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
