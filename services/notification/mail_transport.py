"""Hands mails to the mail server, over a few connections that are reused.

There is no circuit breaker: no caller waits for a mail, and the queue's growing delay already relieves a
server that does not answer. A breaker would only delay the mails that could be sent again.
"""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Final, Protocol

import aiosmtplib
from aiosmtplib import SMTP

from chassis.errors import unavailable
from services.notification.mail_composition import EncodedMail
from services.notification.settings import NotificationSettings

_MAX_IDLE_S: Final = 20.0
_PERMANENT_CODES: Final = range(500, 600)
_SMTPUTF8: Final = "SMTPUTF8"
_MAIL_SERVER: Final = "The mail server"


class MailRefusedError(Exception):
    """The mail server refuses this mail for good; the message is its answer."""


class MailTransport(Protocol):
    """The port to a mail server."""

    async def send(self, mail: EncodedMail) -> None:
        """Send a mail, and return once the mail server has taken responsibility for it.

        Raises:
            MailRefusedError: it is refused for good, by the receiving side.
            DomainError: UNAVAILABLE; another attempt may succeed.
        """
        ...


@dataclass
class _Connection:
    """A connection, and the time (monotonic) of its last use."""

    smtp: SMTP
    idle_since: float = 0.0


class SmtpTransport:
    """Sends over at most `smtp_connections` at once; waiting for one counts towards `smtp_timeout_s`."""

    def __init__(self, settings: NotificationSettings) -> None:
        self._settings = settings
        self._timeout_s = settings.smtp_timeout_s
        self._free = asyncio.Semaphore(settings.smtp_connections)
        self._idle: list[_Connection] = []

    async def send(self, mail: EncodedMail) -> None:
        """Send a mail; see `MailTransport.send`."""
        try:
            async with asyncio.timeout(self._timeout_s), self._connection() as smtp:
                options = [_SMTPUTF8] if mail.needs_smtputf8 else []
                await smtp.sendmail(mail.sender, [mail.recipient], mail.raw, mail_options=options)
        except aiosmtplib.SMTPRecipientsRefused as refusal:
            raise _error_of_refusal(refusal.recipients[0]) from refusal
        except aiosmtplib.SMTPDataError as refusal:
            raise _error_of_refusal(refusal) from refusal
        except (aiosmtplib.SMTPNotSupported, ValueError) as problem:
            raise MailRefusedError(
                f"the address needs what the mail server cannot do: {problem}"
            ) from problem
        except (aiosmtplib.SMTPException, OSError, TimeoutError) as problem:
            raise unavailable(_MAIL_SERVER) from problem

    async def close(self) -> None:
        """Close the idle connections."""
        while self._idle:
            with suppress(aiosmtplib.SMTPException, OSError, TimeoutError):
                await self._idle.pop().smtp.quit(timeout=1.0)

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator[SMTP]:
        async with self._free:
            connection = self._reuse_connection() or await self._open_connection()
            try:
                yield connection.smtp
            except BaseException:
                connection.smtp.close()
                raise
            connection.idle_since = time.monotonic()
            self._idle.append(connection)

    def _reuse_connection(self) -> _Connection | None:
        """Return the connection used last; servers close those that idle, so old ones are dropped first."""
        oldest_good = time.monotonic() - _MAX_IDLE_S
        while self._idle:
            connection = self._idle.pop()
            if connection.idle_since >= oldest_good and connection.smtp.is_connected:
                return connection
            connection.smtp.close()
        return None

    async def _open_connection(self) -> _Connection:
        settings = self._settings
        smtp = SMTP(
            hostname=settings.smtp_host,
            port=settings.smtp_port,
            username=settings.smtp_user or None,
            password=settings.smtp_password.get_secret_value() or None,
            use_tls=settings.smtp_security == "tls",
            start_tls=settings.smtp_security == "starttls",
            timeout=self._timeout_s,
        )
        await smtp.connect()
        return _Connection(smtp)


def _error_of_refusal(refusal: aiosmtplib.SMTPResponseException) -> Exception:
    if refusal.code in _PERMANENT_CODES:
        return MailRefusedError(f"{refusal.code} {refusal.message}")
    return unavailable(_MAIL_SERVER)
