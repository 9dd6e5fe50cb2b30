"""Consents to contract messages and back."""

from typing import Final

from chassis.message_fields import enum_names
from internshipconnect.user.v1 import consents_pb2 as pb
from services.user.domain.consents import (
    ConsentDecision,
    ConsentEntry,
    ConsentPurpose,
    ConsentSource,
    ConsentStatus,
)
from services.user.mapping import entity_to_message

_PURPOSES: Final = enum_names(pb.ConsentPurpose.DESCRIPTOR)
_SOURCES: Final = enum_names(pb.ConsentSource.DESCRIPTOR)


def consent_purpose_from_number(number: pb.ConsentPurpose.ValueType) -> ConsentPurpose:
    """Return the purpose that a request names."""
    return _PURPOSES.member(ConsentPurpose, number)


def given_consent(request: pb.GiveConsentRequest) -> ConsentDecision:
    """Return the decision of a request that gives a consent."""
    source = _SOURCES.member(ConsentSource, request.source)
    return ConsentDecision(consent_purpose_from_number(request.purpose), source, request.text_version)


def withdrawn_consent(request: pb.WithdrawConsentRequest) -> ConsentDecision:
    """Return the decision of a request that withdraws one."""
    source = _SOURCES.member(ConsentSource, request.source)
    return ConsentDecision(consent_purpose_from_number(request.purpose), source)


def consent_message(status: ConsentStatus) -> pb.Consent:
    """Return where a person stands with a purpose."""
    texts = [pb.ConsentText(language=language, text=text) for language, text in status.texts.items()]
    message = pb.Consent(
        purpose=_PURPOSES.number(status.purpose),
        given=status.given,
        text_version=status.text_version,
        texts=texts,
    )
    if status.last is not None:
        message.last_entry.CopyFrom(consent_entry_message(status.last))
    return message


def consent_entry_message(entry: ConsentEntry) -> pb.ConsentEntry:
    """Return an entry of the ledger."""
    return entity_to_message(pb.ConsentEntry, entry)
