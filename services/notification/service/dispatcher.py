"""The use case that turns notices into inbox entries and mails."""

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, replace
from datetime import datetime

from chassis.clock import Clock
from chassis.erasures import Tombstones
from chassis.errors import unavailable
from chassis.ids import new_id, slot_of
from chassis.messaging import IncomingEvent
from services.notification.domain.contents import NotificationContent
from services.notification.domain.inbox import (
    SENDING_LEASE,
    MailDelivery,
    MailDeliveryState,
    Notification,
    OutgoingNotification,
)
from services.notification.domain.notices import (
    Audience,
    Notice,
    Notices,
    ToAddress,
    ToCompany,
    is_too_old_to_notify,
)
from services.notification.domain.recipients import Addressee, Recipient
from services.notification.field_cipher import FieldCipher
from services.notification.mail_composition import EncodedMail
from services.notification.rendering import (
    InvalidRecipientAddressError,
    MailRenderingError,
    NotificationRenderer,
)
from services.notification.repository import NotificationRepository

CompanyMembers = Mapping[str, Sequence[str]]


@dataclass(frozen=True)
class NoticedEvent:
    """An event with the notices that it gives."""

    incoming: IncomingEvent
    notices: Notices


@dataclass(frozen=True)
class ClaimedMail:
    """A mail that was claimed when it was stored, composed already; `traceparent` is that of its event."""

    delivery: MailDelivery
    mail: EncodedMail
    traceparent: str = ""


class Dispatcher:
    """Turns notices into inbox entries and mails."""

    def __init__(
        self,
        repository: NotificationRepository,
        renderer: NotificationRenderer,
        cipher: FieldCipher,
        tombstones: Tombstones,
        clock: Clock,
    ) -> None:
        self._repository = repository
        self._renderer = renderer
        self._cipher = cipher
        self._tombstones = tombstones
        self._clock = clock

    async def dispatch(self, events: Sequence[NoticedEvent], *, max_claims: int = 0) -> list[ClaimedMail]:
        """Store the notices of each event in the inboxes of their audience, with the mails; once per event.

        No notice is made of an event older than `MAX_NOTICE_AGE` (seeded or replayed history). Up to
        `max_claims` mails are claimed for the caller, who has to send them: those are returned. The others
        are due at once, for the next look for due mails.

        Raises:
            DomainError: UNAVAILABLE when a member of the audience is not known yet.
        """
        now = self._clock.now()
        recent = [each for each in events if not is_too_old_to_notify(each.incoming.time, now)]
        addressed = await self._find_addressees(tuple(notice for each in recent for notice in each.notices))
        built: dict[str, tuple[OutgoingNotification, EncodedMail | None]] = {}
        traces: dict[str, str] = {}
        entered: set[tuple[str, str, str]] = set()
        for event in recent:
            for notice in event.notices:
                for user_id, addressee in addressed.of_audience(notice.audience).items():
                    if not await self._may_notify(notice, user_id, entered):
                        continue
                    outgoing, mail = self._build_notification(notice, user_id, addressee, event.incoming)
                    built[outgoing.delivery.id] = (outgoing, mail)
                    traces[outgoing.delivery.id] = event.incoming.traceparent
                    entered.add((user_id, notice.content.template, notice.content.about))
        claimed = _claim(list(built.values()), max_claims, now)
        stored = await self._repository.insert_notifications([outgoing for outgoing, _ in claimed])
        return [
            ClaimedMail(outgoing.delivery, mail, traces[outgoing.delivery.id])
            for outgoing, mail in claimed
            if mail is not None and outgoing.delivery.id in stored and outgoing.delivery.attempts
        ]

    async def _find_addressees(self, notices: Notices) -> "_KnownAddressees":
        company_ids = [each.audience.company_id for each in notices if isinstance(each.audience, ToCompany)]
        members = await self._repository.find_company_members(company_ids) if company_ids else {}
        if unknown := sorted(set(company_ids) - set(members)):
            raise unavailable(f"The list of members of {', '.join(unknown)}")
        user_ids = dict.fromkeys(id_ for each in notices for id_ in _user_ids(each.audience, members))
        recipients = await self._repository.find_recipients(user_ids)
        unknown_ids = [id_ for id_ in user_ids if id_ not in recipients]
        erased = await self._tombstones.find_erased(unknown_ids) if unknown_ids else frozenset()
        return _KnownAddressees(members, recipients, erased)

    async def _may_notify(self, notice: Notice, user_id: str, entered: Set[tuple[str, str, str]]) -> bool:
        """Return whether the notice that this one requires is in the inbox, or goes there with this batch."""
        earlier = notice.requires_earlier
        if earlier is None or (user_id, earlier.template, notice.content.about) in entered:
            return True
        return await self._repository.has_notification(user_id, earlier.template, notice.content.about)

    def _build_notification(
        self, notice: Notice, user_id: str, addressee: Addressee, handling: IncomingEvent
    ) -> tuple[OutgoingNotification, EncodedMail | None]:
        """Return the notification, with its mail in a form that reads back as it is meant, if any does."""
        content = notice.content
        # The same event, addressee and template give the same ID in every process and on every repeat.
        seed = f"{handling.event_id}:{user_id}:{content.template}".encode()
        id_ = new_id("ntf", slot_of(user_id), at=handling.time, seed=seed)
        now = self._clock.now()
        delivery = MailDelivery(
            id=id_,
            recipient_id=user_id,
            template=content.template,
            version=content.version,
            create_time=now,
            lease_until=now,
            sealed=self._cipher.encrypt(content, addressee, delivery_id=id_),
        )
        entry = self._inbox_entry(delivery, notice, addressee) if content.in_inbox else None
        composed, mail = self._compose(delivery, content, addressee)
        return OutgoingNotification(composed, entry), mail

    def _compose(
        self, delivery: MailDelivery, content: NotificationContent, addressee: Addressee
    ) -> tuple[MailDelivery, EncodedMail | None]:
        """Return the delivery with the mail's form, and the mail; an ended delivery when there is none."""
        try:
            form, mail = self._renderer.render_mail(
                delivery.id, content, addressee, written_at=delivery.create_time
            )
        except InvalidRecipientAddressError as refusal:
            state, error, sealed = MailDeliveryState.BOUNCED, str(refusal), None
        except MailRenderingError as problem:
            state, error, sealed = MailDeliveryState.FAILED, str(problem), delivery.sealed
        else:
            return replace(delivery, form=form), mail
        return replace(delivery, state=state, sealed=sealed, error=error, lease_until=None), None

    def _inbox_entry(self, delivery: MailDelivery, notice: Notice, addressee: Addressee) -> Notification:
        text = self._renderer.render_inbox_entry(notice.content, addressee)
        return Notification(
            id=delivery.id,
            recipient_id=delivery.recipient_id,
            category=notice.content.category,
            template=delivery.template,
            title=text.title,
            body=text.body,
            about=notice.content.about,
            create_time=delivery.create_time,
        )


@dataclass(frozen=True)
class _KnownAddressees:
    """The members of companies, and the recipients, that a batch of notices is about.

    People who are `erased` get no notices, also where a company still names them.
    """

    members: CompanyMembers
    recipients: Mapping[str, Recipient]
    erased: Set[str]

    def of_audience(self, audience: Audience) -> Mapping[str, Addressee]:
        """Return the addressees of an audience. Raises UNAVAILABLE when an address is missing."""
        if isinstance(audience, ToAddress):
            if audience.user_id in self.erased:
                return {}
            return {audience.user_id: _addressee_at(audience, self.recipients.get(audience.user_id))}
        user_ids = [id_ for id_ in _user_ids(audience, self.members) if id_ not in self.erased]
        found = {id_: self.recipients[id_].addressee for id_ in user_ids if id_ in self.recipients}
        reachable = {id_: addressee for id_, addressee in found.items() if addressee}
        if missing := set(user_ids) - set(reachable):
            raise unavailable(f"The address of {', '.join(sorted(missing))}")
        return reachable


def _claim(
    built: Sequence[tuple[OutgoingNotification, EncodedMail | None]], max_claims: int, now: datetime
) -> list[tuple[OutgoingNotification, EncodedMail | None]]:
    """Return the notifications, the first `max_claims` mails as claimed for a first attempt."""
    claimed: list[tuple[OutgoingNotification, EncodedMail | None]] = []
    for outgoing, mail in built:
        if mail is not None and max_claims > 0:
            max_claims -= 1
            delivery = replace(
                outgoing.delivery,
                state=MailDeliveryState.SENDING,
                attempts=1,
                lease_until=now + SENDING_LEASE,
            )
            claimed.append((replace(outgoing, delivery=delivery), mail))
        else:
            claimed.append((outgoing, mail))
    return claimed


def _user_ids(audience: Audience, members: CompanyMembers) -> Sequence[str]:
    return members[audience.company_id] if isinstance(audience, ToCompany) else (audience.user_id,)


def _addressee_at(audience: ToAddress, recipient: Recipient | None) -> Addressee:
    """Return the addressee, in the event's language, or in the recipient's."""
    if recipient is None:
        return Addressee(email=audience.email, locale=audience.locale)
    return recipient.addressee_at(audience.email, audience.locale)
