"""The result of a sign-in."""

from dataclasses import dataclass

from services.auth.domain.accounts import Account


@dataclass(frozen=True, slots=True)
class SignInResult:
    """A session that was begun or continued, with encoded tokens; `device_token` only when it was begun."""

    account: Account
    access_token: str
    refresh_token: str
    device_token: str = ""
