"""Normalises the texts of a request before the validation: composed (NFC), and empty if they look empty.

All RPCs are treated alike, so that every rule that requires or compares text means its visible form.
"""

from typing import Any, Final

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

from chassis.text import is_blank, normalize_nfc

_TEXT: Final = FieldDescriptor.TYPE_STRING


def normalize_texts(message: Message) -> None:
    """Normalise every text in a message, however deep; keys and values of maps are left as they are."""
    for field, value in message.ListFields():
        if field.type == _TEXT:
            _normalize_field(message, field, value)
        elif field.message_type is not None and not field.message_type.GetOptions().map_entry:
            for held in value if field.is_repeated else (value,):
                normalize_texts(held)


def _normalize_field(message: Message, field: FieldDescriptor, value: Any) -> None:
    if not field.is_repeated:
        if (settled := _normalize_text(value)) != value:
            setattr(message, field.name, settled)
        return
    for index, text in enumerate(value):
        if (settled := _normalize_text(text)) != text:
            value[index] = settled


def _normalize_text(text: str) -> str:
    return "" if is_blank(text) else normalize_nfc(text)
