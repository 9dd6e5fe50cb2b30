"""The mailbox: which mails it keeps, finds and shows."""

import asyncio
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from pathlib import Path
from smtplib import SMTP

import pytest
from aiohttp.test_utils import TestClient, TestServer

from devstack.mailbox.message import parse_mail
from devstack.mailbox.server import build_app, start_mailbox
from devstack.mailbox.store import MailStore
from tests.ports import free_port


def _mail(subject: str = "Hello", text: str = "Your code is 123456.") -> bytes:
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = "a@example.org", "b@example.org", subject
    message.set_content(text)
    return message.as_bytes()


@pytest.fixture
def store(tmp_path: Path) -> MailStore:
    return MailStore(tmp_path / "mails", keep=3)


def _add(store: MailStore, *recipients: str, subject: str = "Hello") -> int:
    return store.add("a@example.org", recipients or ["b@example.org"], _mail(subject)).id


def test_mails_are_still_there_after_a_restart(store: MailStore, tmp_path: Path) -> None:
    mail_id = _add(store, subject="Grüße")

    again = MailStore(tmp_path / "mails")

    assert [(mail.id, mail.subject) for mail in again.find()] == [(mail_id, "Grüße")]
    assert again.get(mail_id) == store.get(mail_id)


def test_the_oldest_mail_is_evicted_for_the_newest(store: MailStore) -> None:
    ids = [_add(store) for _ in range(5)]

    assert [mail.id for mail in store.find()] == ids[:1:-1]
    assert store.get(ids[0]) is None


def test_the_index_stays_bounded(store: MailStore, tmp_path: Path) -> None:
    for _ in range(50):
        _add(store)

    assert len((tmp_path / "mails" / "index.jsonl").read_text().splitlines()) <= 8


def test_ids_never_start_over_after_everything_was_deleted(store: MailStore, tmp_path: Path) -> None:
    before = _add(store)
    assert store.clear() == 1

    assert _add(MailStore(tmp_path / "mails")) > before


def test_half_a_line_at_the_end_of_the_index_does_not_lose_the_others(
    store: MailStore, tmp_path: Path
) -> None:
    mail_id = _add(store)
    with (tmp_path / "mails" / "index.jsonl").open("a") as index:
        index.write('{"id": 2, "recei')

    again = MailStore(tmp_path / "mails")
    newer = _add(again)

    assert {mail.id for mail in MailStore(tmp_path / "mails").find()} == {mail_id, newer}


def test_mails_are_found_by_recipient_whatever_its_case_and_by_time(store: MailStore) -> None:
    _add(store, "Zoe@Example.org")
    _add(store, "b@example.org")

    assert [mail.recipients for mail in store.find(to="zoe@example.org")] == [("Zoe@Example.org",)]
    assert store.find(since=datetime.now(UTC) + timedelta(seconds=5)) == []
    assert len(store.find(limit=1)) == 1


def test_links_are_read_from_both_parts_once_each() -> None:
    message = EmailMessage()
    message["Subject"] = "s"
    message.set_content("Open http://x.org/a?b=c. Then (https://x.org/d)")
    message.add_alternative(
        '<a href="http://x.org/a?b=c">x</a><a href="http://x.org/e?f=1&amp;g=2">y</a>', subtype="html"
    )

    content = parse_mail(message.as_bytes())

    assert content.links == ["http://x.org/a?b=c", "https://x.org/d", "http://x.org/e?f=1&g=2"]
    assert "<a href" in content.html


async def test_a_mail_sent_by_smtp_is_read_over_http(tmp_path: Path) -> None:
    smtp, http = free_port(), free_port()
    store = MailStore(tmp_path)
    runner = await start_mailbox(store, smtp_port=smtp, http_port=http)

    def send() -> None:
        with SMTP("127.0.0.1", smtp) as client:
            client.sendmail("a@example.org", ["b@example.org"], _mail("Over the wire"))

    await asyncio.to_thread(send)
    await runner.cleanup()

    assert [mail.subject for mail in store.find(to="b@example.org")] == ["Over the wire"]


async def test_the_page_escapes_what_a_mail_says(store: MailStore) -> None:
    mail_id = _add(store, subject="<script>alert(1)</script>")
    async with TestClient(TestServer(build_app(store))) as client:
        for path in ("/", f"/view/{mail_id}"):
            answer = await client.get(path)
            assert "<script>" not in await answer.text()
            assert "default-src 'none'" in answer.headers["Content-Security-Policy"]


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/mails?since=yesterday", 400),
        ("/mails?limit=0", 400),
        ("/mails?limit=x", 400),
        ("/mails/7", 404),
        ("/mails/x", 404),
    ],
)
async def test_a_bad_question_is_answered_with_a_json_error(store: MailStore, path: str, status: int) -> None:
    async with TestClient(TestServer(build_app(store))) as client:
        answer = await client.get(path)

        assert answer.status == status
        assert (await answer.json())["error"]
