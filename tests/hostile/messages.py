"""Requests as nobody would write them: made from the descriptors, encoded by hand so that anything goes."""

import random
import struct
from collections.abc import Callable, Mapping
from typing import Final, cast

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from hypothesis import strategies as st

from buf.validate import validate_pb2
from chassis.contracts import RpcSpec

VARINT, FIXED64, BYTES, START_GROUP, END_GROUP, FIXED32 = range(6)
MAX_DEPTH: Final = 4
MAX_REPEATED: Final = 4
UNKNOWN_FIELD: Final = 5_000
MAX_BYTES: Final = 1_000_000

INTEGERS: Final = (0, 1, -1, 2**31 - 1, -(2**31), 2**63 - 1, -(2**63), 50, 51, 4_102_444_800)
NUMBERS: Final = (0.0, -0.0, 1e308, -1e308, 5e-324, float("nan"), float("inf"), float("-inf"), 90.5)
TEXTS: Final = (
    "",
    "a",
    "\x00",
    "a\x00b",
    "\r\nBcc: everyone@example.com",
    "<script>alert(1)</script>",
    '{"$gt": ""}',
    "$where: 1",
    "{{7*7}}",
    "${jndi:ldap://x}",
    "../../etc/passwd",
    "%00%0a",
    "\u202eesrever",
    "\u200b\ufeff",
    "\U0001f4a9" * 50,
    "é" * 200,
    "A" * 300,
    "x" * 25_000,
    "int_00000000000000000000000000",
    "usr_7ZZZZZZZZZZZZZZZZZZZZZZZZZ",
    "app_7ZZZZZZZZZZZZZZZZZZZZZZZZZ",
    "cmp_7ZZZZZZZZZZZZZZZZZZZZZZZZZ",
    "ntf_7ZZZZZZZZZZZZZZZZZZZZZZZZZ",
    "9999-12-31",
    "0000-01",
    "a@b.co",
    "..",
    "(((((((((((((((((((((((((((((a+)+)+)+)+",
)
NOT_UTF8: Final = (b"\xff\xfe", b"\xc0\x80", b"\xed\xa0\x80", b"\x80" * 20)
_WIRE_OF: Final[Mapping[int, int]] = {
    FieldDescriptor.TYPE_DOUBLE: FIXED64,
    FieldDescriptor.TYPE_FLOAT: FIXED32,
    FieldDescriptor.TYPE_STRING: BYTES,
    FieldDescriptor.TYPE_BYTES: BYTES,
    FieldDescriptor.TYPE_MESSAGE: BYTES,
}
_PREFIXES: Final = ("usr", "cmp", "int", "app", "ntf", "doc")


def encode_varint(value: int) -> bytes:
    """Return a number of 64 bits, seven at a time."""
    value &= (1 << 64) - 1
    parts = bytearray()
    while value > 0x7F:
        parts.append(value & 0x7F | 0x80)
        value >>= 7
    parts.append(value)
    return bytes(parts)


def encode_field(number: int, wire: int, payload: bytes = b"") -> bytes:
    """Return a field: its tag, and its payload as the wire type wants it."""
    length = encode_varint(len(payload)) if wire == BYTES else b""
    return encode_varint(number << 3 | wire) + length + payload


def requests_of(rpc: RpcSpec) -> st.SearchStrategy[bytes]:
    """Return what could be sent to a call: mostly nearly valid, some of it broken, some of it noise."""
    descriptor = cast(Descriptor, rpc.request_type.DESCRIPTOR)
    nearly = _message(descriptor, 0)
    return st.one_of(
        nearly,
        nearly,
        st.tuples(nearly, st.randoms(use_true_random=False)).map(lambda drawn: _damage_request(*drawn)),
        st.binary(max_size=400),
    )


def _message(descriptor: Descriptor, depth: int) -> st.SearchStrategy[bytes]:
    fields = [_field(field, depth) for field in descriptor.fields]
    if not fields:
        return st.sampled_from((b"", encode_field(1, BYTES, b"x")))
    # Any order, any number of times: the last one wins, lists grow, messages merge.
    return st.lists(st.one_of(fields), max_size=2 * len(fields)).map(b"".join)


def _field(field: FieldDescriptor, depth: int) -> st.SearchStrategy[bytes]:
    wire = _WIRE_OF.get(field.type, VARINT)
    one = _payload(field, depth).map(lambda payload: encode_field(field.number, wire, payload))
    wrong = st.sampled_from(tuple({VARINT, BYTES, FIXED64} - {wire})).map(
        lambda other: encode_field(field.number, other, b"\x01" * (8 if other == FIXED64 else 1))
    )
    some = st.lists(one, max_size=MAX_REPEATED).map(b"".join) if field.is_repeated else one
    return st.one_of(some, some, some, some, wrong)


def _payload(field: FieldDescriptor, depth: int) -> st.SearchStrategy[bytes]:
    if field.message_type is not None:
        return _message(field.message_type, depth + 1) if depth < MAX_DEPTH else st.just(b"")
    if field.type in (FieldDescriptor.TYPE_STRING, FieldDescriptor.TYPE_BYTES):
        return _text(field)
    if field.type == FieldDescriptor.TYPE_DOUBLE:
        return st.one_of(st.sampled_from(NUMBERS), st.floats()).map(lambda value: struct.pack("<d", value))
    if field.enum_type is not None:
        known = tuple(value.number for value in field.enum_type.values)
        return st.sampled_from((*known, *known, *known, -1, 9_999)).map(encode_varint)
    return st.one_of(st.sampled_from(INTEGERS), st.integers(0, 60)).map(encode_varint)


def _text(field: FieldDescriptor) -> st.SearchStrategy[bytes]:
    rules = field.GetOptions().Extensions[validate_pb2.field]
    pattern = rules.string.pattern or rules.repeated.items.string.pattern
    prefix = next((one for one in _PREFIXES if f"{one}_" in pattern), "")
    odd = st.one_of(
        st.sampled_from(TEXTS).map(str.encode),
        st.text(max_size=60).map(lambda text: text.encode("utf-8", "replace")),
        st.sampled_from(NOT_UTF8),
    )
    if prefix:
        ids = st.from_regex(rf"\A{prefix}_[0-7][0-9A-HJKMNP-TV-Z]{{25}}\Z").map(str.encode)
        return st.one_of(ids, ids, odd)
    return odd


def _damage_request(request: bytes, chance: random.Random) -> bytes:
    """Return the request cut short, or with some bytes flipped."""
    if not request or chance.random() < 0.4:
        return request[: chance.randrange(len(request) + 1)]
    changed = bytearray(request)
    for _ in range(chance.randint(1, 5)):
        changed[chance.randrange(len(changed))] = chance.randrange(256)
    return bytes(changed)


def _first_field_number(rpc: RpcSpec, wanted: Callable[[FieldDescriptor], bool]) -> int:
    """Return the number of the first such field; 0 when there is none."""
    fields = cast(Descriptor, rpc.request_type.DESCRIPTOR).fields
    return next((field.number for field in fields if wanted(field)), 0)


def _ten_thousand_unknown_fields(_: RpcSpec) -> bytes:
    return b"".join(encode_field(UNKNOWN_FIELD + number, VARINT, b"\x01") for number in range(10_000))


def _nested_groups(_: RpcSpec) -> bytes:
    depth = 50_000
    return encode_field(UNKNOWN_FIELD, START_GROUP) * depth + encode_field(UNKNOWN_FIELD, END_GROUP) * depth


def _groups_without_an_end(_: RpcSpec) -> bytes:
    return encode_field(UNKNOWN_FIELD, START_GROUP) * 100_000


def _nested_messages(rpc: RpcSpec) -> bytes:
    number = _first_field_number(rpc, lambda field: field.message_type is not None)
    request = b""
    for _ in range(10_000 if number else 0):
        request = encode_field(number, BYTES, request)
    return request


def _a_huge_list(rpc: RpcSpec) -> bytes:
    number = _first_field_number(rpc, lambda field: field.is_repeated)
    return encode_field(number, BYTES) * 250_000 if number else b""


def _a_huge_list_of_texts(rpc: RpcSpec) -> bytes:
    number = _first_field_number(rpc, lambda field: field.is_repeated)
    texts = range(30_000 if number else 0)
    return b"".join(encode_field(number, BYTES, f"usr_{index:026d}".encode()) for index in texts)


def _lists_within(rpc: RpcSpec) -> bytes:
    """Return a list of everything in the first message that the request holds."""
    for outer in cast(Descriptor, rpc.request_type.DESCRIPTOR).fields:
        if outer.message_type is not None:
            lists = [one.number for one in outer.message_type.fields if one.is_repeated]
            inner = b"".join(encode_field(number, BYTES) * 20_000 for number in lists)
            return encode_field(outer.number, BYTES, inner[:MAX_BYTES])
    return b""


def _a_long_text(rpc: RpcSpec) -> bytes:
    number = _first_field_number(rpc, lambda field: field.type == FieldDescriptor.TYPE_STRING)
    return encode_field(number, BYTES, b"a" * MAX_BYTES) if number else b""


def _a_message_again_and_again(rpc: RpcSpec) -> bytes:
    number = _first_field_number(rpc, lambda field: field.message_type is not None)
    return encode_field(number, BYTES, b"") * 250_000 if number else b""


def _a_mask_of_many_paths(rpc: RpcSpec) -> bytes:
    number = _first_field_number(rpc, lambda field: field.name == "update_mask")
    paths = range(100_000 if number else 0)
    return (
        encode_field(number, BYTES, b"".join(encode_field(1, BYTES, f"p{index}".encode()) for index in paths))
        if number
        else b""
    )


def _a_length_that_lies(_: RpcSpec) -> bytes:
    return b"\x0a" + encode_varint(2**31 - 1) + b"x"


def _an_endless_number(_: RpcSpec) -> bytes:
    return b"\x08" + b"\xff" * 100_000


def _far_too_much(_: RpcSpec) -> bytes:
    return encode_field(UNKNOWN_FIELD, BYTES, b"\x00" * (5 * 1024 * 1024))


def _more_than_is_taken(_: RpcSpec) -> bytes:
    return encode_field(UNKNOWN_FIELD, BYTES, b"\x00" * (1024 * 1024 + 1))


def _by_shape_name(*shapes: Callable[[RpcSpec], bytes]) -> dict[str, Callable[[RpcSpec], bytes]]:
    return {shape.__name__.removeprefix("_").replace("_", " "): shape for shape in shapes}


SHAPES: Final[Mapping[str, Callable[[RpcSpec], bytes]]] = _by_shape_name(
    _nested_messages,
    _a_huge_list,
    _a_huge_list_of_texts,
    _lists_within,
    _a_long_text,
    _a_message_again_and_again,
    _a_mask_of_many_paths,
)
"""Requests of an absurd size or depth, by name: specific to each call, or empty."""
BLOBS: Final[Mapping[str, Callable[[RpcSpec], bytes]]] = _by_shape_name(
    _ten_thousand_unknown_fields,
    _nested_groups,
    _groups_without_an_end,
    _a_length_that_lies,
    _an_endless_number,
    _more_than_is_taken,
    _far_too_much,
)
"""The same for all calls."""
