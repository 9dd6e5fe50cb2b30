"""The environment's settings of the auth service."""

import os
from datetime import timedelta
from typing import Final, Self
from urllib.parse import urlsplit

from pydantic import Field, FilePath, model_validator

from chassis.settings import ChassisSettings
from services.auth.domain.sign_in_policy import SignInPolicy
from services.auth.oidc_client import OidcSettings, load_providers
from services.auth.service.passkey_ports import PasskeySite
from services.auth.service.use_cases import AuthPolicy

LOOPBACK: Final = "127.0.0.1"
LOCAL_NAME: Final = "localhost"


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

    erasure_grace_days: float = Field(
        default=14,
        gt=0,
        le=90,
        description="how many days the owner of an account can cancel its deletion",
    )
    sign_in_providers: FilePath | None = Field(
        default=None,
        description="JSON file: other providers to sign in with, and their secrets; none: no others",
    )

    passkey_domain: str = Field(
        default="",
        pattern=r"^([a-z0-9-]+(\.[a-z0-9-]+)*)?$",
        description="the domain that passkeys belong to, for ever; empty: that of the gateway's address",
    )
    passkey_origins: str = Field(
        default="",
        pattern=r"^((https?://[^\s/,]+|android:apk-key-hash:[A-Za-z0-9_-]+)"
        r"(,(https?://[^\s/,]+|android:apk-key-hash:[A-Za-z0-9_-]+))*)?$",
        description="sites and apps that may use passkeys, with commas; empty: the gateway's address",
    )

    @model_validator(mode="after")
    def _has_origins_of_domain(self) -> Self:
        domain = self.passkey_site.domain
        for origin in self.passkey_site.origins:
            host = urlsplit(origin).hostname or ""
            if origin.startswith("http") and host != domain and not host.endswith(f".{domain}"):
                raise ValueError(f"passkey_origins: {origin} is not of passkey_domain {domain}")
            if self.passkey_origins and origin.startswith("http://") and host != LOCAL_NAME:
                raise ValueError(f"passkey_origins: {origin} has to begin with https://")
        return self

    @model_validator(mode="after")
    def _has_valid_providers(self) -> Self:
        load_providers(self.sign_in_providers)
        return self

    @property
    def oidc(self) -> OidcSettings:
        """Return the providers of the file, and the page that is registered with each of them."""
        return OidcSettings(load_providers(self.sign_in_providers), f"{self.public_url}/app/provider")

    @property
    def passkey_site(self) -> PasskeySite:
        """Return the domain and the origins of passkeys; browsers take `localhost`, but no IP address."""
        gateway = urlsplit(self.public_url)
        host = gateway.hostname or ""
        own = (
            gateway._replace(netloc=gateway.netloc.replace(host, LOCAL_NAME)) if host == LOOPBACK else gateway
        )
        origins = self.passkey_origins.split(",") if self.passkey_origins else [own.geturl()]
        return PasskeySite(self.passkey_domain or own.hostname or "", tuple(origins))

    @property
    def policy(self) -> AuthPolicy:
        """Return the time spans and limits as the use cases take them."""
        return AuthPolicy(
            issuer=self.public_url,
            refresh_grace=timedelta(seconds=self.refresh_grace_s),
            by_smtputf8=self.smtputf8,
            key_rotation=self.key_rotation,
            erasure_grace=timedelta(days=self.erasure_grace_days),
        )

    @property
    def sign_in_policy(self) -> SignInPolicy:
        """Return the policy of failed sign-ins."""
        return SignInPolicy(self.failed_sign_ins_times)

    @property
    def is_secure(self) -> bool:
        """Return whether browsers reach the service over TLS only."""
        return self.public_url.startswith("https:")

    @property
    def key_rotation(self) -> timedelta:
        return timedelta(days=self.key_rotation_days)
