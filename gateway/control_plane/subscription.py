"""What one node wants, has and is owed of one kind of resource, in either variant of the protocol. No I/O."""

import time
from abc import ABC, abstractmethod
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from gateway.xds.nodes import XdsProtocolError
from gateway.xds.resource_types import ResourceType
from gateway.xds.snapshot import ResourcesByName, XdsResource, digest, hash_versions

WILDCARD_NAME: Final = "*"
MAX_NAMES: Final = 10_000
MAX_NAME_CHARS: Final = 512
_MAX_NACKS_KEPT: Final = 16
_UNKNOWN_VERSION: Final = ""


class SubscriptionState(StrEnum):
    """How a node stands with one kind."""

    NOT_SENT = "NOT_SENT"
    SYNCED = "SYNCED"
    STALE = "STALE"
    ERROR = "ERROR"


@dataclass(frozen=True, slots=True)
class XdsRequest:
    """A request of either variant. Of the delta variant `names` are subscribed and `dropped` unsubscribed;
    of the state of the world `names` are all. `known` are versions that the node kept from before.
    `error` is why it refuses the response with that nonce; None when it does not.
    """

    type_url: str
    nonce: str = ""
    names: tuple[str, ...] = ()
    dropped: tuple[str, ...] = ()
    known: Mapping[str, str] | None = None
    error: str | None = None


@dataclass(frozen=True, slots=True)
class XdsResponse:
    """One response, to be put on the wire."""

    kind: ResourceType
    version: str
    nonce: str
    resources: tuple[XdsResource, ...]
    removed: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class UnackedResponse:
    """A response that is not answered yet.

    `names` are those that it tells something of, `content` is what the node has after it, `changed_at` is
    when that changed, in monotonic seconds.
    """

    nonce: str
    version: str
    digest: str
    names: frozenset[str]
    content: ResourcesByName
    changed_at: float


class Subscription(ABC):
    """One node's subscription to one kind.

    `sent` is what it has when it takes all that was sent, `accepted` what it has confirmed.
    """

    def __init__(self, kind: ResourceType) -> None:
        self.kind = kind
        self.is_wildcard = False
        self.names: set[str] = set()
        self.sent: ResourcesByName = {}
        self.accepted: ResourcesByName = {}
        self.accepted_version = ""
        self.outstanding: UnackedResponse | None = None
        self.refusal = ""
        self.since = time.time()
        self._started = False
        self._due: set[str] = set()
        self._must_answer = False
        self._last_nonce = ""
        self._refused: OrderedDict[str, str] = OrderedDict()

    @property
    def state(self) -> SubscriptionState:
        """Whether the node has confirmed the last response."""
        if self.refusal:
            return SubscriptionState.ERROR
        if self.outstanding is not None:
            return SubscriptionState.STALE
        return SubscriptionState.SYNCED if self.accepted_version else SubscriptionState.NOT_SENT

    @abstractmethod
    def is_late(self, request: XdsRequest) -> bool:
        """Whether the request was sent before the node saw the newest response, and will be repeated."""

    @abstractmethod
    def subscribe(self, request: XdsRequest) -> None:
        """Takes over what the node wants. Raises ProtocolError when that is too much."""

    @abstractmethod
    def _difference(self, wanted: ResourcesByName) -> tuple[dict[str, XdsResource], set[str]]:
        """What has to be sent, and which names are gone."""

    @abstractmethod
    def _content(self, resources: Mapping[str, XdsResource], removed: Iterable[str]) -> str:
        """A digest of one response: a response that was refused is not sent again."""

    def wants(self, name: str) -> bool:
        """Whether the node asks for the resource of that name."""
        return self.is_wildcard or name in self.names

    def owe(self, names: Iterable[str]) -> None:
        """These are sent again although they have not changed, where the node has them."""
        self._due.update(name for name in names if name in self.sent)

    def compose(
        self, wanted: ResourcesByName, version: str, nonce: str, changed_at: float
    ) -> XdsResponse | None:
        """The response that brings the node to `wanted`; None when there is nothing to tell it."""
        resources, removed = self._difference(wanted)
        if not resources and not removed and not self._must_answer:
            return None
        content = self._content(resources, removed)
        if content in self._refused:
            self.refusal = self._refused[content]
            return None
        self._must_answer = False
        self._due.clear()
        self.sent = dict(wanted)
        self.refusal = ""
        self._last_nonce = nonce
        names = frozenset(resources) | removed
        self.outstanding = UnackedResponse(nonce, version, content, names, self.sent, changed_at)
        self.since = time.time()
        return XdsResponse(self.kind, version, nonce, tuple(resources.values()), tuple(sorted(removed)))

    def confirm(self) -> UnackedResponse:
        """The node took the outstanding response over."""
        answered = self._answered()
        self.accepted = {name: one for name, one in answered.content.items() if self.wants(name)}
        self.accepted_version = answered.version
        return answered

    def refuse(self, reason: str) -> UnackedResponse:
        """The node keeps what it had instead of the outstanding response."""
        answered = self._answered()
        self.refusal = reason
        self._refused[answered.digest] = reason
        if len(self._refused) > _MAX_NACKS_KEPT:
            self._refused.popitem(last=False)
        return answered

    def _answered(self) -> UnackedResponse:
        answered = self.outstanding
        if answered is None:
            raise AssertionError("only an outstanding response is answered")
        self.outstanding = None
        self.since = time.time()
        return answered

    def _want(self, names: Iterable[str]) -> None:
        added = set(names)
        if len(self.names | added) > MAX_NAMES:
            raise XdsProtocolError(f"no more than {MAX_NAMES} names of one type may be asked for")
        if any(len(name) > MAX_NAME_CHARS for name in added):
            raise XdsProtocolError(f"a resource's name has at most {MAX_NAME_CHARS} characters")
        self.names |= added

    def _forget_unwanted(self) -> None:
        self.sent = {name: one for name, one in self.sent.items() if self.wants(name)}
        self.accepted = {name: one for name, one in self.accepted.items() if self.wants(name)}
        self._due &= self.sent.keys() | self.names


class SotwSubscription(Subscription):
    """Each response holds all that the node asks for; clusters and listeners that are missing are gone."""

    def is_late(self, request: XdsRequest) -> bool:
        return self._started and bool(request.nonce) and request.nonce != self._last_nonce

    def subscribe(self, request: XdsRequest) -> None:
        names = set(request.names)
        before = (self.is_wildcard, self.names)
        if self.kind.whole_state and not names and (not self._started or self.is_wildcard):
            names = {WILDCARD_NAME}
        self.is_wildcard = WILDCARD_NAME in names
        self.names = set()
        self._want(names - {WILDCARD_NAME})
        self._must_answer |= not self._started or self._asks_for_more(*before)
        self._started = True
        self._forget_unwanted()

    def _asks_for_more(self, was_wildcard: bool, names: set[str]) -> bool:
        return (self.is_wildcard and not was_wildcard) or not self.names <= names

    def _difference(self, wanted: ResourcesByName) -> tuple[dict[str, XdsResource], set[str]]:
        if not self.kind.whole_state and not wanted:
            self._must_answer = False  # Silence is how this variant says that something does not exist.
            return {}, set()
        changed = self._due or self._must_answer or hash_versions(wanted) != hash_versions(self.sent)
        return (dict(wanted) if changed else {}), (set() if wanted else set(self.sent))

    def _content(self, resources: Mapping[str, XdsResource], removed: Iterable[str]) -> str:
        return hash_versions(resources)


class DeltaSubscription(Subscription):
    """Each response holds what changed, and the names of what is gone."""

    def is_late(self, request: XdsRequest) -> bool:
        return False  # What a request of this variant adds or drops is told once.

    def subscribe(self, request: XdsRequest) -> None:
        if not self._started:
            self._start(request)
        self._want(set(request.names) - {WILDCARD_NAME})
        self.is_wildcard |= WILDCARD_NAME in request.names
        self._due.update(set(request.names) - {WILDCARD_NAME} - self._known_at_start(request))
        self._drop(set(request.dropped))
        self._started = True
        self._forget_unwanted()

    def refuse(self, reason: str) -> UnackedResponse:
        """A node may have taken over a part of what it refuses: all is told anew with the next change."""
        refused = super().refuse(reason)
        self.sent = {**self.sent, **{name: XdsResource(name, _UNKNOWN_VERSION) for name in refused.names}}
        return refused

    def _start(self, request: XdsRequest) -> None:
        self.is_wildcard = self.kind.whole_state and not request.names
        self._must_answer = self.is_wildcard and not request.known
        if len(request.known or ()) > MAX_NAMES:
            raise XdsProtocolError(f"no more than {MAX_NAMES} versions of one type may be told")
        self.sent = {name: XdsResource(name, version) for name, version in (request.known or {}).items()}
        self.accepted = dict(self.sent)

    def _known_at_start(self, request: XdsRequest) -> set[str]:
        return set() if self._started else set(request.known or ())

    def _drop(self, names: set[str]) -> None:
        if WILDCARD_NAME in names:
            self.is_wildcard = False
        self.names -= names
        if self.is_wildcard:
            self._due |= names  # The node has forgotten what it still gets by the wildcard.

    def _difference(self, wanted: ResourcesByName) -> tuple[dict[str, XdsResource], set[str]]:
        changed = {
            name: one
            for name, one in wanted.items()
            if one.body is not None and (name in self._due or self.sent.get(name) != one)
        }
        return changed, (self.sent.keys() | self._due) - wanted.keys()

    def _content(self, resources: Mapping[str, XdsResource], removed: Iterable[str]) -> str:
        return digest([hash_versions(resources).encode(), *(name.encode() for name in sorted(removed))])
