"""IDs that hold their slot: a prefix and 26 Crockford base32 characters, e.g. `app_01JD…`.

The characters hold 128 bits: 48 of time (milliseconds), 14 of slot, 66 random. So IDs sort by time, and a
record is found by its ID alone: the slot determines its shard.
"""

import hashlib
import re
import secrets
from datetime import UTC, datetime, timedelta
from typing import Final

import xxhash

SLOT_COUNT: Final = 16_384
"""As many as Redis Cluster has."""

_ALPHABET: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_RANDOM_BITS: Final = 66
_TIME_SHIFT: Final = 80
_TIME_BITS: Final = 48
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND: Final = timedelta(milliseconds=1)

_PREFIX: Final = re.compile(r"[a-z][a-z0-9]{1,9}")
# The slot is 14 of the 15 bits in the three characters before the last thirteen.
_ID: Final = re.compile(
    r"([a-z][a-z0-9]{1,9})_([0-7][0-9A-HJKMNP-TV-Z]{9})([0-9A-HJKMNP-TV-Z]{3})[0-9A-HJKMNP-TV-Z]{13}"
)
_PAIRS: Final = tuple(high + low for high in _ALPHABET for low in _ALPHABET)
_PAIR_SHIFTS: Final = tuple(range(120, -1, -10))
_TO_PYTHON_DIGITS: Final = str.maketrans(_ALPHABET, "0123456789ABCDEFGHIJKLMNOPQRSTUV")


def new_id(
    prefix: str, slot: int | None = None, *, at: datetime | None = None, seed: bytes | None = None
) -> str:
    """Return a new ID with this prefix that lives in `slot`, or by default in a random one.

    `at` (default now) is the time in it. With a `seed` the random part is a function of seed and prefix: the
    same seed and time give the same ID, so that a repeated create meets the record of its first run.

    Raises:
        ValueError: the prefix is not 2-10 lower-case letters or digits, the slot is not within 0-16383, or
            `at` is naive or before 1970.
    """
    if not _PREFIX.fullmatch(prefix):
        raise ValueError(f"an ID's prefix is 2 to 10 lower-case letters or digits, not {prefix!r}")
    randomness = secrets.randbits(_RANDOM_BITS) if seed is None else _seeded_randomness(prefix, seed)
    if slot is None:
        slot = _slot_of_randomness(randomness)
    elif not 0 <= slot < SLOT_COUNT:
        raise ValueError(f"a slot is within 0-{SLOT_COUNT - 1}, not {slot}")
    value = _milliseconds(at) << _TIME_SHIFT | slot << _RANDOM_BITS | randomness
    return f"{prefix}_{''.join([_PAIRS[value >> shift & 1023] for shift in _PAIR_SHIFTS])}"


def slot_of(id_: str) -> int:
    """Return the slot (0-16383) in which the record of this ID lives.

    Raises:
        ValueError: the text is not an ID.
    """
    return int(_parse_id(id_)[3].translate(_TO_PYTHON_DIGITS), 32) >> 1 & (SLOT_COUNT - 1)


def creation_time_of(id_: str) -> datetime:
    """Return the time when the ID was made: aware, UTC, in milliseconds.

    Raises:
        ValueError: the text is not an ID, or its time is after the year 9999.
    """
    milliseconds = int(_parse_id(id_)[2].translate(_TO_PYTHON_DIGITS), 32)
    try:
        return _EPOCH + milliseconds * _MILLISECOND
    except OverflowError:
        raise ValueError(f"{id_} holds a time after the year 9999") from None


def slot_of_key(text: str) -> int:
    """Return the slot (0-16383) of a record whose key is no ID, e.g. an e-mail address."""
    return xxhash.xxh3_64_intdigest(text.encode()) % SLOT_COUNT


def is_id(prefix: str, text: str) -> bool:
    """Return whether `text` is an ID with this prefix, in its one canonical spelling."""
    match = _ID.fullmatch(text)
    return match is not None and match[1] == prefix


def _parse_id(id_: str) -> re.Match[str]:
    match = _ID.fullmatch(id_)
    if match is None:
        raise ValueError(f"not an ID: {id_[:64]!r}")
    return match


def _seeded_randomness(prefix: str, seed: bytes) -> int:
    digest = hashlib.blake2b(seed, digest_size=16, person=prefix.encode())
    return int.from_bytes(digest.digest(), "big") >> (128 - _RANDOM_BITS)


def _slot_of_randomness(randomness: int) -> int:
    return xxhash.xxh3_64_intdigest(randomness.to_bytes(9, "big")) % SLOT_COUNT


def _milliseconds(at: datetime | None) -> int:
    moment = datetime.now(UTC) if at is None else at
    if moment.tzinfo is None:
        raise ValueError("the time of an ID has to be aware")
    milliseconds = (moment - _EPOCH) // _MILLISECOND
    if not 0 <= milliseconds < 1 << _TIME_BITS:
        raise ValueError(f"the time of an ID is within 1970 and 10889, not {moment}")
    return milliseconds
