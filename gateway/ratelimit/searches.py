"""The definition of one search: a text that grows or shrinks while typed, or a page that is turned. Pure.

The gateway sends a search's path beside the descriptors that limit it. A search that continues the caller's
last counted one is not counted. `hit.lua` implements the same at the counters.
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
"""Uncounted requests after one counted search: bounds a client that abuses continuations."""
MAX_TYPING_PAUSE_S: Final = 60
"""The pause after which a search is a new one."""
MAX_TEXT_CHARS: Final = 200
_TEXT_FIELD: Final = "q"
_PAGING_PARAMETERS: Final = frozenset(
    {"pageToken", "page_token", "pageSize", "page_size", "withFacets", "with_facets"}
)
_DIGEST_BYTES: Final = 12


@dataclass(frozen=True, slots=True)
class SearchFingerprint:
    """A search without its page: the text, and a digest of the path and all filters."""

    text: str
    filters_digest: str

    @classmethod
    def from_path(cls, path: str) -> Self:
        """Parse the path and query of a search; of a parameter given twice the last counts."""
        split = urlsplit(path) if len(path) <= 8_192 else urlsplit("")
        pairs = parse_qsl(split.query, keep_blank_values=True, max_num_fields=100)
        text = next((value for name, value in reversed(pairs) if name == _TEXT_FIELD), "")
        filters = sorted(
            (name, value) for name, value in pairs if name != _TEXT_FIELD and name not in _PAGING_PARAMETERS
        )
        digest = blake2b(repr((split.path, filters)).encode(), digest_size=_DIGEST_BYTES)
        return cls(_normalize_text(text), digest.hexdigest())


@dataclass(frozen=True, slots=True)
class TypingSession:
    """A caller's last counted search, its time, and how many continuations stay uncounted."""

    search: SearchFingerprint
    at_us: int
    continuations_left: int = MAX_CONTINUATIONS

    def continue_with(self, search: SearchFingerprint, now_us: int) -> "TypingSession | None":
        """Return the session that `search` continues; None when that is another search."""
        one, other = self.search.text, search.text
        grows = one.startswith(other) or other.startswith(one)
        is_same = one == other or bool(one and other and grows)
        recent = now_us - self.at_us <= MAX_TYPING_PAUSE_S * 1_000_000
        if not (
            self.continuations_left
            and recent
            and is_same
            and self.search.filters_digest == search.filters_digest
        ):
            return None
        return replace(self, search=search, at_us=now_us, continuations_left=self.continuations_left - 1)


def find_search(descriptors: "list[tuple[DescriptorEntry, ...]]") -> SearchFingerprint | None:
    """Return the search in a request's descriptors, or None."""
    for entries in descriptors:
        if entries and entries[-1][0] == SEARCH_KEY and entries[-1][1]:
            try:
                return SearchFingerprint.from_path(entries[-1][1])
            except ValueError:
                return None
    return None


def _normalize_text(text: str) -> str:
    folded = unicodedata.normalize("NFKC", text).casefold()
    return " ".join(folded.split())[:MAX_TEXT_CHARS]
