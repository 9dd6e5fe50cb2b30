"""The environment's settings of the notification service."""

from typing import Literal

from pydantic import Field, SecretStr, field_validator

from chassis.settings import ChassisSettings
from chassis.text import parse_email_address


class NotificationSettings(ChassisSettings):
    """Settings of the notification service."""

    smtp_host: str = Field(min_length=1, description="the mail server that takes our mails")
    smtp_port: int = Field(ge=1, le=65_535)
    smtp_security: Literal["none", "starttls", "tls"] = Field(
        default="none", description="how the connection to the mail server is protected"
    )
    smtp_user: str = Field(default="", description="user at the mail server; empty: no sign-in")
    smtp_password: SecretStr = SecretStr("")
    smtp_connections: int = Field(
        default=8, ge=1, le=256, description="most connections at once, per process"
    )
    smtp_timeout_s: float = Field(default=15.0, gt=0, le=25, description="longest time for one mail")
    mail_from: str = "no-reply@internshipconnect.example"
    mail_from_name: str = "InternshipConnect"
    most_streams: int = Field(default=5_000, ge=1, description="most live inbox streams, per process")
    most_streams_per_user: int = Field(default=5, ge=1, description="most live inbox streams of one user")
    stream_most_s: float = Field(
        default=900.0, gt=0, description="a stream ends after this, so that a client shows a fresh token"
    )
    heartbeat_s: float = Field(
        default=20.0, gt=0, le=25, description="a stream of server-sent events is never quiet for longer"
    )

    @field_validator("mail_from")
    @classmethod
    def _is_an_address(cls, value: str) -> str:
        return parse_email_address(value).display
