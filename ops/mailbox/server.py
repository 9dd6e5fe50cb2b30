"""The mailbox's two doors: SMTP to put mails in, HTTP to look at them."""

import asyncio
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any, Final

from aiohttp import web
from aiosmtpd.smtp import SMTP
from aiosmtpd.smtp import Envelope as SmtpEnvelope

from ops.mailbox import page
from ops.mailbox.message import parse
from ops.mailbox.store import Envelope, MailStore

LOOPBACK: Final = "127.0.0.1"
MAIL_LIMIT_BYTES: Final = 10 * 1024 * 1024
DEFAULT_LIMIT: Final = 50
MAX_LIMIT: Final = 5_000
PAGE_POLICY: Final = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src data: http: https:; frame-src 'self'"
)

STORE: Final = web.AppKey("store", MailStore)


class Inbox:
    """What aiosmtpd calls for each mail."""

    def __init__(self, store: MailStore) -> None:
        self._store = store

    async def handle_DATA(self, _server: object, _session: object, envelope: SmtpEnvelope) -> str:  # noqa: N802
        """Keeps the mail before saying so."""
        content = envelope.content or b""
        raw = content.encode() if isinstance(content, str) else content
        kept = self._store.add(envelope.mail_from or "", envelope.rcpt_tos, raw)
        return f"250 OK kept as {kept.id}"


async def start(store: MailStore, *, smtp_port: int, http_port: int) -> web.AppRunner:
    """Opens both doors on the loopback interface."""
    loop = asyncio.get_running_loop()
    inbox = Inbox(store)

    def session() -> SMTP:
        return SMTP(
            inbox, data_size_limit=MAIL_LIMIT_BYTES, enable_SMTPUTF8=True, hostname="mailbox", loop=loop
        )

    await loop.create_server(session, LOOPBACK, smtp_port)
    runner = web.AppRunner(make_app(store), access_log=None)
    await runner.setup()
    await web.TCPSite(runner, LOOPBACK, http_port).start()
    return runner


def make_app(store: MailStore) -> web.Application:
    """The HTTP door."""
    app = web.Application()
    app[STORE] = store
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
    """How many mails there are."""
    return web.json_response({"status": "ok", "mails": len(request.app[STORE])})


async def list_mails(request: web.Request) -> web.Response:
    """`GET /mails?to=&since=&limit=`: the newest first."""
    found = request.app[STORE].find(
        to=request.query.get("to"),
        since=_moment(request.query.get("since")),
        limit=_limit(request.query.get("limit")),
    )
    return web.json_response({"mails": [_summary(envelope) for envelope in found]})


async def get_mail(request: web.Request) -> web.Response:
    """`GET /mails/{id}`: everything in one mail."""
    envelope, raw = _find(request)
    return web.json_response({**_summary(envelope), **asdict(parse(raw))})


async def get_raw_mail(request: web.Request) -> web.Response:
    """`GET /mails/{id}/raw`: the bytes that came over SMTP."""
    _, raw = _find(request)
    return web.Response(body=raw, content_type="message/rfc822")


async def delete_mails(request: web.Request) -> web.Response:
    """`DELETE /mails`: all of them."""
    return web.json_response({"deleted": request.app[STORE].clear()})


async def show_list(request: web.Request) -> web.Response:
    """The list for people."""
    store, to = request.app[STORE], request.query.get("to", "")
    return _html(page.render_list(store.find(to=to or None, limit=100), total=len(store), to=to))


async def show_mail(request: web.Request) -> web.Response:
    """One mail for people."""
    envelope, raw = _find(request)
    return _html(page.render_mail(envelope, parse(raw)))


def _find(request: web.Request) -> tuple[Envelope, bytes]:
    asked = request.match_info["id"]
    found = request.app[STORE].get(int(asked)) if asked.isdecimal() else None
    if found is None:
        raise _refusal(web.HTTPNotFound, f"there is no mail {asked}")
    return found


def _summary(envelope: Envelope) -> dict[str, Any]:
    return {
        "id": envelope.id,
        "received_at": envelope.received_at,
        "from": envelope.sender,
        "to": list(envelope.recipients),
        "subject": envelope.subject,
    }


def _moment(text: str | None) -> datetime | None:
    if not text:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise _refusal(
            web.HTTPBadRequest, "since is no RFC 3339 time, such as 2030-01-31T12:00:00Z"
        ) from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _limit(text: str | None) -> int:
    if not text:
        return DEFAULT_LIMIT
    if not text.isdecimal() or not 1 <= int(text) <= MAX_LIMIT:
        raise _refusal(web.HTTPBadRequest, f"limit is no number from 1 to {MAX_LIMIT}")
    return int(text)


def _refusal(kind: type[web.HTTPClientError], message: str) -> web.HTTPClientError:
    return kind(text=f'{{"error": "{message}"}}', content_type="application/json")


def _html(text: str) -> web.Response:
    headers = {"Content-Security-Policy": PAGE_POLICY}
    return web.Response(text=text, content_type="text/html", headers=headers)
