"""The use case that turns notices into inbox entries and mails."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from chassis.clock import Clock
from chassis.errors import unavailable
from chassis.ids import new_id, slot_of
from chassis.messaging import IncomingEvent
from services.notification.domain.contents import NotificationContent
from services.notification.domain.inbox import (
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
from services.notification.rendering import (
    InvalidRecipientAddressError,
    MailRenderingError,
    NotificationRenderer,
)
from services.notification.repository import NotificationRepository

CompanyMembers = Mapping[str, Sequence[str]]


class Dispatcher:
    """Turns notices into inbox entries and mails."""

    def __init__(
        self,
        repository: NotificationRepository,
        renderer: NotificationRenderer,
        cipher: FieldCipher,
        clock: Clock,
    ) -> None:
        self._repository = repository
        self._renderer = renderer
        self._cipher = cipher
        self._clock = clock

    async def dispatch(self, notices: Notices, handling: IncomingEvent) -> None:
        """Store each notice in the inboxes of its audience and request the mails; once per event.

        No notice is made of an event older than `MAX_NOTICE_AGE` (seeded or replayed history).

        Raises:
            DomainError: UNAVAILABLE when a member of the audience is not known yet.
        """
        if is_too_old_to_notify(handling.time, self._clock.now()):
            return
        members = await self._company_members(notices)
        user_ids = dict.fromkeys(id_ for each in notices for id_ in _user_ids(each.audience, members))
        known = await self._repository.find_recipients(user_ids)
        notifications = [
            self._build_notification(notice, user_id, addressee, handling)
            for notice in notices
            for user_id, addressee in _addressees(notice.audience, members, known).items()
            if await self._may_notify(notice, user_id)
        ]
        await self._repository.insert_notifications(notifications, handling)

    async def _company_members(self, notices: Notices) -> CompanyMembers:
        members: dict[str, Sequence[str]] = {}
        for notice in notices:
            if isinstance(notice.audience, ToCompany) and notice.audience.company_id not in members:
                company_id = notice.audience.company_id
                members[company_id] = await self._repository.find_company_members(company_id)
                if not members[company_id]:
                    raise unavailable(f"The list of members of {company_id}")
        return members

    async def _may_notify(self, notice: Notice, user_id: str) -> bool:
        earlier = notice.requires_earlier
        return earlier is None or await self._repository.has_notification(
            user_id, earlier.template, notice.content.about
        )

    def _build_notification(
        self, notice: Notice, user_id: str, addressee: Addressee, handling: IncomingEvent
    ) -> OutgoingNotification:
        content = notice.content
        # The same event, addressee and template give the same ID in every process and on every repeat.
        seed = f"{handling.event_id}:{user_id}:{content.template}".encode()
        id_ = new_id("ntf", slot_of(user_id), at=handling.time, seed=seed)
        delivery = MailDelivery(
            id=id_,
            recipient_id=user_id,
            template=content.template,
            version=content.version,
            create_time=self._clock.now(),
            sealed=self._cipher.encrypt(content, addressee, delivery_id=id_),
        )
        entry = self._inbox_entry(delivery, notice, addressee) if content.in_inbox else None
        return OutgoingNotification(self._with_form(delivery, content, addressee), entry)

    def _with_form(
        self, delivery: MailDelivery, content: NotificationContent, addressee: Addressee
    ) -> MailDelivery:
        """Return the delivery in a form that reads back as it is meant; ended when none does."""
        try:
            form = self._renderer.choose_form(
                delivery.id, content, addressee, written_at=delivery.create_time
            )
        except InvalidRecipientAddressError as refusal:
            return replace(delivery, state=MailDeliveryState.BOUNCED, sealed=None, error=str(refusal))
        except MailRenderingError as problem:
            return replace(delivery, state=MailDeliveryState.FAILED, error=str(problem))
        return replace(delivery, form=form)

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


def _user_ids(audience: Audience, members: CompanyMembers) -> Sequence[str]:
    return members[audience.company_id] if isinstance(audience, ToCompany) else (audience.user_id,)


def _addressees(
    audience: Audience, members: CompanyMembers, known: Mapping[str, Recipient]
) -> Mapping[str, Addressee]:
    """Return the addressees of an audience. Raises UNAVAILABLE when an address is missing."""
    if isinstance(audience, ToAddress):
        return {audience.user_id: _addressee_at(audience, known.get(audience.user_id))}
    user_ids = _user_ids(audience, members)
    found = {id_: known[id_].addressee for id_ in user_ids if id_ in known}
    reachable = {id_: addressee for id_, addressee in found.items() if addressee}
    if missing := set(user_ids) - set(reachable):
        raise unavailable(f"The address of {', '.join(sorted(missing))}")
    return reachable


def _addressee_at(audience: ToAddress, recipient: Recipient | None) -> Addressee:
    """Return the addressee, in the event's language, or in the recipient's."""
    if recipient is None:
        return Addressee(email=audience.email, locale=audience.locale)
    return recipient.addressee_at(audience.email, audience.locale)
