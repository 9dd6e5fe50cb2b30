"""Mails on disk: one file each, and an append-only index."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email import policy
from email.parser import BytesHeaderParser
from functools import cached_property
from pathlib import Path
from typing import Any

from chassis.text import EmailAddressError, parse_email_address

MAX_MAILS = 20_000
MAX_INDEX_GROWTH = 2


@dataclass(frozen=True)
class StoredMail:
    """A mail in the file `path`; `received_at` is RFC 3339 in UTC."""

    id: int
    received_at: str
    sender: str
    recipients: tuple[str, ...]
    path: Path = field(repr=False, compare=False)

    @cached_property
    def subject(self) -> str:
        """The subject, parsed when it is first asked for; "" without one."""
        with self.path.open("rb") as content:
            headers = BytesHeaderParser(policy=policy.default).parse(content)
        return str(headers.get("subject", ""))

    @property
    def record(self) -> dict[str, Any]:
        """What the index holds of it."""
        return {
            "id": self.id,
            "received_at": self.received_at,
            "sender": self.sender,
            "recipients": self.recipients,
        }

    def is_for(self, address: str) -> bool:
        """Return whether the mail was delivered to this address, in any spelling."""
        return _address_key(address) in map(_address_key, self.recipients)


def _address_key(address: str) -> str:
    try:
        return parse_email_address(address).key
    except EmailAddressError:
        return address.casefold()


class MailStore:
    """Stores the newest mails of a stack across restarts; IDs only grow, even after everything is deleted."""

    def __init__(self, folder: Path, *, keep: int = MAX_MAILS) -> None:
        self._folder = folder
        self._keep = keep
        self._index = folder / "index.jsonl"
        self._envelopes: dict[int, StoredMail] = {}
        self._next_id = 1
        self._index_lines = 0
        folder.mkdir(parents=True, exist_ok=True)
        self._load()

    def add(self, sender: str, recipients: Sequence[str], content: bytes) -> StoredMail:
        """Store one mail and delete the oldest beyond the bound."""
        envelope = StoredMail(
            id=self._next_id,
            received_at=datetime.now(UTC).isoformat(timespec="milliseconds"),
            sender=sender,
            recipients=tuple(recipients),
            path=self._path(self._next_id),
        )
        envelope.path.write_bytes(content)
        self._append(envelope.record)
        self._remember(envelope)
        self._forget_oldest()
        return envelope

    def find(
        self, *, to: str | None = None, since: datetime | None = None, limit: int = 50
    ) -> list[StoredMail]:
        """Return the newest mails first: those to one address, received at or after a moment."""
        found: list[StoredMail] = []
        for envelope in reversed(self._envelopes.values()):
            if len(found) == limit or (since and datetime.fromisoformat(envelope.received_at) < since):
                break
            if to is None or envelope.is_for(to):
                found.append(envelope)
        return found

    def get(self, mail_id: int) -> tuple[StoredMail, bytes] | None:
        """Return one mail with its content; None when there is none of this ID."""
        envelope = self._envelopes.get(mail_id)
        return (envelope, envelope.path.read_bytes()) if envelope else None

    def clear(self) -> int:
        """Delete all mails; return their number."""
        count = len(self._envelopes)
        for mail_id in list(self._envelopes):
            self._drop(mail_id)
        self._rewrite_index()
        return count

    def __len__(self) -> int:
        return len(self._envelopes)

    def _load(self) -> None:
        for line in self._lines():
            self._next_id = max(self._next_id, line.pop("next_id", 0))
            if line and self._path(line["id"]).exists():
                recipients = tuple(line["recipients"])
                self._remember(
                    StoredMail(
                        line["id"], line["received_at"], line["sender"], recipients, self._path(line["id"])
                    )
                )
        self._forget_oldest()
        self._rewrite_index()

    def _lines(self) -> Iterator[dict[str, Any]]:
        if not self._index.exists():
            return
        for line in self._index.read_text().splitlines():
            try:
                yield json.loads(line)
            except json.JSONDecodeError:  # the last line of a process that was killed while writing
                continue

    def _remember(self, envelope: StoredMail) -> None:
        self._envelopes[envelope.id] = envelope
        self._next_id = max(self._next_id, envelope.id + 1)

    def _forget_oldest(self) -> None:
        while len(self._envelopes) > self._keep:
            self._drop(next(iter(self._envelopes)))
        if self._index_lines > self._keep * MAX_INDEX_GROWTH:
            self._rewrite_index()

    def _drop(self, mail_id: int) -> None:
        del self._envelopes[mail_id]
        self._path(mail_id).unlink(missing_ok=True)

    def _append(self, line: dict[str, Any]) -> None:
        with self._index.open("a") as index:
            index.write(json.dumps(line) + "\n")
        self._index_lines += 1

    def _rewrite_index(self) -> None:
        lines = [{"next_id": self._next_id}, *(envelope.record for envelope in self._envelopes.values())]
        fresh = self._index.with_suffix(".new")
        fresh.write_text("".join(json.dumps(line) + "\n" for line in lines))
        fresh.replace(self._index)
        self._index_lines = len(lines)

    def _path(self, mail_id: int) -> Path:
        return self._folder / f"{mail_id:08d}.eml"
