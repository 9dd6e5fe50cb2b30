"""What waits to be sent is unreadable to others."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from chassis.security.data_keys import DataKeys
from services.notification.domain.contents import OfferAccepted, VerificationCode
from services.notification.domain.inbox import MailDelivery
from services.notification.domain.recipients import Addressee
from services.notification.field_cipher import DecryptionError, FieldCipher

NOW = datetime(2026, 3, 3, tzinfo=UTC)
CODE = VerificationCode(code="493817", expire_time=NOW)
READER = Addressee(email="ada@example.org", name="Ada", time_zone="Europe/Berlin")


def delivery(envelopes: FieldCipher) -> MailDelivery:
    sealed = envelopes.encrypt(CODE, READER, delivery_id="ntf_1")
    return MailDelivery(
        id="ntf_1",
        recipient_id="usr_1",
        template=CODE.template,
        version=1,
        create_time=NOW,
        sealed=sealed,
    )


def test_what_was_sealed_opens_as_it_was() -> None:
    envelopes = FieldCipher(DataKeys(b"k" * 32))
    assert envelopes.decrypt(delivery(envelopes)) == (CODE, READER)


def test_neither_code_nor_address_can_be_read_while_sealed() -> None:
    sealed = delivery(FieldCipher(DataKeys(b"k" * 32))).sealed or b""
    assert b"493817" not in sealed
    assert b"ada@example.org" not in sealed


def test_it_opens_neither_with_another_key_nor_in_another_delivery() -> None:
    envelopes = FieldCipher(DataKeys(b"k" * 32))
    with pytest.raises(DecryptionError):
        FieldCipher(DataKeys(b"x" * 32)).decrypt(delivery(envelopes))
    with pytest.raises(DecryptionError):
        envelopes.decrypt(replace(delivery(envelopes), id="ntf_2"))


def test_mails_that_wait_while_the_key_is_replaced_are_read_with_either() -> None:
    former, newest = b"k" * 32, b"x" * 32
    waiting = delivery(FieldCipher(DataKeys(former)))
    assert FieldCipher(DataKeys(newest, (former,))).decrypt(waiting) == (CODE, READER)
    early = delivery(FieldCipher(DataKeys(newest, (former,))))
    assert FieldCipher(DataKeys(former, (newest,))).decrypt(early) == (CODE, READER)


def test_a_wiped_delivery_and_an_unknown_template_cannot_be_opened() -> None:
    envelopes = FieldCipher(DataKeys(b"k" * 32))
    with pytest.raises(DecryptionError):
        envelopes.decrypt(replace(delivery(envelopes), sealed=None))
    with pytest.raises(DecryptionError):
        envelopes.decrypt(replace(delivery(envelopes), template=OfferAccepted.template, version=99))
