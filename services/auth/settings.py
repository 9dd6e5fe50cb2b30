"""The environment's settings of the auth service."""

import os
from datetime import timedelta

from pydantic import Field

from chassis.settings import ChassisSettings, decode_key
from services.auth.domain.sign_in_policy import SignInPolicy
from services.auth.service.use_cases import AuthPolicy


class AuthSettings(ChassisSettings):
    """Settings of the auth service, each from the variable `IC_<NAME>`."""

    key_rotation_days: int = Field(default=30, ge=1, le=365, description="how long a signing key signs")
    smtputf8: bool = Field(
        default=False,
        description="whether the mail server speaks SMTPUTF8; without it, addresses with letters beyond ASCII"
        " before the @ cannot register",
    )
    hash_threads: int = Field(
        default_factory=lambda: os.cpu_count() or 1,
        ge=1,
        le=256,
        description="passwords hashed at once; one core is busy about 30 ms with each",
    )
    hash_queue: int = Field(
        default=64, ge=1, le=4096, description="passwords that wait for a thread before calls are refused"
    )
    refresh_grace_s: float = Field(
        default=10, ge=0, le=60, description="for how long a refresh whose answer was lost is answered again"
    )
    failed_sign_ins_times: int = Field(
        default=1, ge=1, le=10_000, description="how many times the usual failures a sign-in may have"
    )

    @property
    def policy(self) -> AuthPolicy:
        """Return the time spans and limits as the use cases take them."""
        return AuthPolicy(refresh_grace=timedelta(seconds=self.refresh_grace_s), by_smtputf8=self.smtputf8)

    @property
    def sign_in_policy(self) -> SignInPolicy:
        """Return the policy of failed sign-ins."""
        return SignInPolicy(self.failed_sign_ins_times)

    @property
    def data_key_bytes(self) -> bytes:
        """Return the data key, decoded."""
        return decode_key(self.data_key)

    @property
    def is_secure(self) -> bool:
        """Return whether browsers reach the service over TLS only."""
        return self.public_url.startswith("https:")

    @property
    def key_rotation(self) -> timedelta:
        return timedelta(days=self.key_rotation_days)
