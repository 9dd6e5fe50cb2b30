"""The mailbox's servers: SMTP to receive mails, HTTP to read them."""

import asyncio
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any, Final

from aiohttp import web
from aiosmtpd.smtp import SMTP
from aiosmtpd.smtp import Envelope as SmtpEnvelope

from devstack.mailbox import page
from devstack.mailbox.message import parse_mail
from devstack.mailbox.store import MailStore, StoredMail

LOOPBACK: Final = "127.0.0.1"
MAX_MAIL_BYTES: Final = 10 * 1024 * 1024
DEFAULT_LIMIT: Final = 50
MAX_LIMIT: Final = 5_000
PAGE_POLICY: Final = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src data: http: https:; frame-src 'self'"
)

STORE_KEY: Final = web.AppKey("store", MailStore)


class SmtpHandler:
    """The handler that aiosmtpd calls for each mail."""

    def __init__(self, store: MailStore) -> None:
        self._store = store

    async def handle_DATA(self, _server: object, _session: object, envelope: SmtpEnvelope) -> str:  # noqa: N802
        """Store the mail before accepting it."""
        content = envelope.content or b""
        raw = content.encode() if isinstance(content, str) else content
        kept = self._store.add(envelope.mail_from or "", envelope.rcpt_tos, raw)
        return f"250 OK kept as {kept.id}"


async def start_mailbox(store: MailStore, *, smtp_port: int, http_port: int) -> web.AppRunner:
    """Start both servers on the loopback interface."""
    loop = asyncio.get_running_loop()
    inbox = SmtpHandler(store)

    def session() -> SMTP:
        return SMTP(
            inbox, data_size_limit=MAX_MAIL_BYTES, enable_SMTPUTF8=True, hostname="mailbox", loop=loop
        )

    await loop.create_server(session, LOOPBACK, smtp_port)
    runner = web.AppRunner(build_app(store), access_log=None)
    await runner.setup()
    await web.TCPSite(runner, LOOPBACK, http_port).start()
    return runner


def build_app(store: MailStore) -> web.Application:
    """Return the HTTP application."""
    app = web.Application()
    app[STORE_KEY] = store
    app.add_routes(
        [
            web.get("/", show_list),
            web.get("/view/{id}", show_mail),
            web.get("/health", health),
            web.get("/mails", list_mails),
            web.delete("/mails", delete_mails),
            web.get("/mails/{id}", get_mail),
            web.get("/mails/{id}/raw", get_raw_mail),
        ]
    )
    return app


async def health(request: web.Request) -> web.Response:
    """Answer the number of mails."""
    return web.json_response({"status": "ok", "mails": len(request.app[STORE_KEY])})


async def list_mails(request: web.Request) -> web.Response:
    """Answer `GET /mails?to=&since=&limit=`: the newest first."""
    found = request.app[STORE_KEY].find(
        to=request.query.get("to"),
        since=_parse_time(request.query.get("since")),
        limit=_parse_limit(request.query.get("limit")),
    )
    return web.json_response({"mails": [_mail_summary(envelope) for envelope in found]})


async def get_mail(request: web.Request) -> web.Response:
    """Answer `GET /mails/{id}`: all parts of one mail."""
    envelope, raw = _find_mail(request)
    return web.json_response({**_mail_summary(envelope), **asdict(parse_mail(raw))})


async def get_raw_mail(request: web.Request) -> web.Response:
    """Answer `GET /mails/{id}/raw`: the bytes that were received over SMTP."""
    _, raw = _find_mail(request)
    return web.Response(body=raw, content_type="message/rfc822")


async def delete_mails(request: web.Request) -> web.Response:
    """Answer `DELETE /mails`: delete all of them."""
    return web.json_response({"deleted": request.app[STORE_KEY].clear()})


async def show_list(request: web.Request) -> web.Response:
    """Answer the list as HTML."""
    store, to = request.app[STORE_KEY], request.query.get("to", "")
    return _html_response(page.render_list(store.find(to=to or None, limit=100), total=len(store), to=to))


async def show_mail(request: web.Request) -> web.Response:
    """Answer one mail as HTML."""
    envelope, raw = _find_mail(request)
    return _html_response(page.render_mail(envelope, parse_mail(raw)))


def _find_mail(request: web.Request) -> tuple[StoredMail, bytes]:
    asked = request.match_info["id"]
    found = request.app[STORE_KEY].get(int(asked)) if asked.isdecimal() else None
    if found is None:
        raise _error_response(web.HTTPNotFound, f"there is no mail {asked}")
    return found


def _mail_summary(envelope: StoredMail) -> dict[str, Any]:
    return {
        "id": envelope.id,
        "received_at": envelope.received_at,
        "from": envelope.sender,
        "to": list(envelope.recipients),
        "subject": envelope.subject,
    }


def _parse_time(text: str | None) -> datetime | None:
    if not text:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise _error_response(
            web.HTTPBadRequest, "since is no RFC 3339 time, such as 2030-01-31T12:00:00Z"
        ) from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _parse_limit(text: str | None) -> int:
    if not text:
        return DEFAULT_LIMIT
    if not text.isdecimal() or not 1 <= int(text) <= MAX_LIMIT:
        raise _error_response(web.HTTPBadRequest, f"limit is no number from 1 to {MAX_LIMIT}")
    return int(text)


def _error_response(kind: type[web.HTTPClientError], message: str) -> web.HTTPClientError:
    return kind(text=f'{{"error": "{message}"}}', content_type="application/json")


def _html_response(text: str) -> web.Response:
    headers = {"Content-Security-Policy": PAGE_POLICY}
    return web.Response(text=text, content_type="text/html", headers=headers)
