"""The port to what checks a content, and the check that needs no other process."""

import asyncio
from typing import Protocol

from services.user.domain.content_rules import find_quarantine_reason
from services.user.domain.documents import QuarantineReason
from services.user.scanners.clamd import ClamdAddress, ClamdScanner


class ContentScanner(Protocol):
    """Checks contents. Raises DomainError UNAVAILABLE while it cannot: nothing passes unchecked."""

    async def scan(self, content: bytes, media_type: str) -> QuarantineReason:
        """Return why a content is to be kept from others; UNSPECIFIED when nothing speaks against it."""
        ...


class RuleScanner:
    """Checks by the rules of `domain.content_rules`, in a thread."""

    async def scan(self, content: bytes, media_type: str) -> QuarantineReason:
        return await asyncio.to_thread(find_quarantine_reason, content, media_type)


class CombinedScanner:
    """Asks scanners one after the other, until one has something against a content."""

    def __init__(self, *scanners: ContentScanner) -> None:
        self._scanners = scanners

    async def scan(self, content: bytes, media_type: str) -> QuarantineReason:
        for scanner in self._scanners:
            if (reason := await scanner.scan(content, media_type)) is not QuarantineReason.UNSPECIFIED:
                return reason
        return QuarantineReason.UNSPECIFIED


def build_scanner(clamd: str) -> ContentScanner:
    """Return the scanner of a process: the rules, and clamd where there is one.

    clamd knows malware, and lets macros and scripts pass that the rules refuse.
    """
    rules = RuleScanner()
    return CombinedScanner(rules, ClamdScanner(ClamdAddress.parse(clamd))) if clamd else rules
