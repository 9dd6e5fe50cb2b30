"""What one search is: a text that grows or shrinks while it is typed, or a page that is turned. Pure.

The gateway tells a search's path beside the descriptors that limit it. A search that continues the caller's
last counted one is not counted. `hit.lua` decides the same where the counts are.
"""

import unicodedata
from dataclasses import dataclass, replace
from hashlib import blake2b
from typing import Final, Self
from urllib.parse import parse_qsl, urlsplit

from gateway.ratelimit.rules import DescriptorEntry

SEARCH_KEY: Final = "search"
"""The descriptor entry with the path of a search as the client sent it; it limits nothing by itself."""
MAX_CONTINUATIONS: Final = 30
"""Requests that one counted search may be followed by without counting: what bounds a client that tricks."""
MAX_TYPING_PAUSE_S: Final = 60
"""After which a search is another one."""
MAX_TEXT_CHARS: Final = 200
_TEXT_FIELD: Final = "q"
_PAGING_PARAMETERS: Final = frozenset(
    {"pageToken", "page_token", "pageSize", "page_size", "withFacets", "with_facets"}
)
_DIGEST_BYTES: Final = 12


@dataclass(frozen=True, slots=True)
class SearchFingerprint:
    """A search as far as counting goes: what was typed, and a digest of all else that was asked but pages."""

    text: str
    others: str

    @classmethod
    def of_path(cls, path: str) -> Self:
        """The search that a request's path with its query asks for; of a name given twice the last counts."""
        split = urlsplit(path) if len(path) <= 8_192 else urlsplit("")
        pairs = parse_qsl(split.query, keep_blank_values=True, max_num_fields=100)
        text = next((value for name, value in reversed(pairs) if name == _TEXT_FIELD), "")
        others = sorted(
            (name, value) for name, value in pairs if name != _TEXT_FIELD and name not in _PAGING_PARAMETERS
        )
        digest = blake2b(repr((split.path, others)).encode(), digest_size=_DIGEST_BYTES)
        return cls(_normalize_text(text), digest.hexdigest())


@dataclass(frozen=True, slots=True)
class TypingSession:
    """A caller's last counted search as it is now, when it was, and how often it may go on uncounted."""

    search: SearchFingerprint
    at_us: int
    left: int = MAX_CONTINUATIONS

    def continued_by(self, search: SearchFingerprint, now_us: int) -> "TypingSession | None":
        """What it is once `search` has continued it; None when that is another search."""
        one, other = self.search.text, search.text
        grows = one.startswith(other) or other.startswith(one)
        is_same = one == other or bool(one and other and grows)
        recent = now_us - self.at_us <= MAX_TYPING_PAUSE_S * 1_000_000
        if not (self.left and recent and is_same and self.search.others == search.others):
            return None
        return replace(self, search=search, at_us=now_us, left=self.left - 1)


def find_search(descriptors: "list[tuple[DescriptorEntry, ...]]") -> SearchFingerprint | None:
    """The search that a request's descriptors tell of, if they do."""
    for entries in descriptors:
        if entries and entries[-1][0] == SEARCH_KEY and entries[-1][1]:
            try:
                return SearchFingerprint.of_path(entries[-1][1])
            except ValueError:
                return None
    return None


def _normalize_text(text: str) -> str:
    folded = unicodedata.normalize("NFKC", text).casefold()
    return " ".join(folded.split())[:MAX_TEXT_CHARS]
