"""Second factors: an authenticator app (TOTP, RFC 6238), and recovery codes in its place.

A code of the app is good in its own half minute, the one before and the one after, and once: a step that was
used, or an earlier one, is refused. A recovery code works once.
"""

import hmac
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

import pyotp

from chassis.call_context import SECOND_FACTOR_METHOD
from chassis.errors import domain_error

STEP: Final = timedelta(seconds=30)
MAX_STEPS_APART: Final = 1
RECOVERY_CODE_COUNT: Final = 10
OTP_METHODS: Final = ("pwd", "otp", SECOND_FACTOR_METHOD)
"""The methods of a sign-in with password and app, in the terms of RFC 8176."""
RECOVERY_METHODS: Final = ("pwd", SECOND_FACTOR_METHOD)

_CODE_LETTERS: Final = "23456789ABCDEFGHJKMNPQRSTVWXYZ"
_CODE_LENGTH: Final = 10


class SecondFactorChangeKind(StrEnum):
    AUTHENTICATOR_ADDED = "AUTHENTICATOR_ADDED"
    AUTHENTICATOR_REMOVED = "AUTHENTICATOR_REMOVED"
    RECOVERY_CODE_USED = "RECOVERY_CODE_USED"
    RECOVERY_CODES_RENEWED = "RECOVERY_CODES_RENEWED"
    PASSKEY_ADDED = "PASSKEY_ADDED"
    PASSKEY_REMOVED = "PASSKEY_REMOVED"
    PASSKEY_REFUSED = "PASSKEY_REFUSED"


@dataclass(frozen=True, slots=True)
class Authenticator:
    """An authenticator app: its encrypted secret, and the newest step that was used.

    `sealed_with` names the data key that encrypted it and the recovery codes beside it. `confirm_time` is
    None until a code of the app has been typed in.
    """

    sealed_secret: bytes
    sealed_with: str = ""
    confirm_time: datetime | None = None
    last_step: int = 0

    def confirmed_by(self, step: int, now: datetime) -> "Authenticator":
        """Return it as on, with the step whose code confirmed it."""
        return replace(self, confirm_time=now, last_step=step)


def matching_step(secret: str, code: str, now: datetime, *, after: int) -> int | None:
    """Return the step, later than `after`, whose code this is; None without one. Constant in time.

    `secret` is in base32.
    """
    totp, current = pyotp.TOTP(secret), int(now.timestamp() // STEP.total_seconds())
    found = None
    for step in range(current - MAX_STEPS_APART, current + MAX_STEPS_APART + 1):
        is_right = hmac.compare_digest(totp.generate_otp(step), code)
        if is_right and step > after and found is None:
            found = step
    return found


def new_secret() -> str:
    """Return a random secret of 160 bits in base32."""
    return pyotp.random_base32()


def authenticator_uri(secret: str, email: str) -> str:
    """Return the address that authenticator apps scan."""
    return pyotp.TOTP(secret).provisioning_uri(name=email, issuer_name="InternshipConnect")


def new_recovery_codes() -> list[str]:
    """Return ten random codes of 49 bits, without letters that look alike: `4F7Q2-9KMTX`."""
    return [
        _show_code("".join(secrets.choice(_CODE_LETTERS) for _ in range(_CODE_LENGTH)))
        for _ in range(RECOVERY_CODE_COUNT)
    ]


def without_code(sealed_codes: Mapping[bytes, str], typed: str) -> tuple[bytes, ...] | None:
    """Return the sealed codes without the one that is typed, in any spelling; None when it is none of them.

    `sealed_codes` has the code of each sealed one. Constant in time.
    """
    used = _letters_of(typed).encode()
    kept = tuple(
        sealed
        for sealed, code in sealed_codes.items()
        if not hmac.compare_digest(_letters_of(code).encode(), used)
    )
    return kept if len(kept) < len(sealed_codes) else None


def second_factor_required() -> Exception:
    return domain_error("SECOND_FACTOR_REQUIRED", "The code of the authenticator app is needed, too.")


def invalid_second_factor() -> Exception:
    return domain_error("INVALID_SECOND_FACTOR", "The code is wrong or was used before.")


def _letters_of(code: str) -> str:
    return "".join(letter for letter in code.upper() if letter in _CODE_LETTERS)


def _show_code(code: str) -> str:
    half = len(code) // 2
    return f"{code[:half]}-{code[half:]}"
