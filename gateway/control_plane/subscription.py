"""One node's subscription to one resource type, in either variant of the protocol. No I/O."""

import time
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from cachetools import FIFOCache

from gateway.xds.nodes import XdsProtocolError
from gateway.xds.resource_types import ResourceType
from gateway.xds.snapshot import ResourcesByName, XdsResource, hash_content, hash_versions

WILDCARD_NAME: Final = "*"
MAX_NAMES: Final = 10_000
MAX_NAME_CHARS: Final = 512
_MAX_NACKS_KEPT: Final = 16
_UNKNOWN_VERSION: Final = ""


class SubscriptionState(StrEnum):
    """Whether a node has acknowledged its last response of one resource type."""

    NOT_SENT = "NOT_SENT"
    SYNCED = "SYNCED"
    STALE = "STALE"
    ERROR = "ERROR"


@dataclass(frozen=True, slots=True)
class XdsRequest:
    """A request of either variant of the protocol.

    In the delta variant `names` are added to the subscription; in the state of the world they are all of it.
    `initial_versions` are those that the node kept from an earlier stream. `nack_reason` is why it rejects
    the response with that nonce; None for an ACK.
    """

    type_url: str
    nonce: str = ""
    names: tuple[str, ...] = ()
    unsubscribed: tuple[str, ...] = ()
    initial_versions: Mapping[str, str] | None = None
    nack_reason: str | None = None


@dataclass(frozen=True, slots=True)
class XdsResponse:
    """One response, before serialization."""

    resource_type: ResourceType
    version: str
    nonce: str
    resources: tuple[XdsResource, ...]
    removed: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class UnackedResponse:
    """A response that the node has not acknowledged yet.

    `names` are the resources that it changes, `resources` are those that the node has after an ACK,
    `changed_at` is when they changed, in monotonic seconds.
    """

    nonce: str
    version: str
    content_hash: str
    names: frozenset[str]
    resources: ResourcesByName
    changed_at: float


class Subscription(ABC):
    """One node's subscription to one resource type.

    `sent` are the resources that the node has if it acknowledges all responses; `accepted` are those that it
    has acknowledged. `changed_at_s` is the last change of the state, in Unix seconds.
    """

    def __init__(self, resource_type: ResourceType) -> None:
        self.resource_type = resource_type
        self.is_wildcard = False
        self.names: set[str] = set()
        self.sent: ResourcesByName = {}
        self.accepted: ResourcesByName = {}
        self.accepted_version = ""
        self.unacked: UnackedResponse | None = None
        self.nack_reason = ""
        self.changed_at_s = time.time()
        self._started = False
        self._resend_names: set[str] = set()
        self._response_due = False
        self._last_nonce = ""
        self._nacked_contents: FIFOCache[str, str] = FIFOCache(_MAX_NACKS_KEPT)

    @property
    def state(self) -> SubscriptionState:
        """Whether the node has acknowledged the last response."""
        if self.nack_reason:
            return SubscriptionState.ERROR
        if self.unacked is not None:
            return SubscriptionState.STALE
        return SubscriptionState.SYNCED if self.accepted_version else SubscriptionState.NOT_SENT

    @abstractmethod
    def is_stale(self, request: XdsRequest) -> bool:
        """Return whether the node sent the request before it saw the newest response, and will repeat it."""

    @abstractmethod
    def subscribe(self, request: XdsRequest) -> None:
        """Apply the names of a request. Raise XdsProtocolError when they are too many or too long."""

    @abstractmethod
    def _diff(self, target: ResourcesByName) -> tuple[dict[str, XdsResource], set[str]]:
        """Return the resources to send and the names to remove."""

    @abstractmethod
    def _content_hash(self, resources: Mapping[str, XdsResource], removed: Iterable[str]) -> str:
        """Return the hash of a response; a rejected one is not sent again."""

    def includes(self, name: str) -> bool:
        """Return whether the node subscribes to the resource of that name."""
        return self.is_wildcard or name in self.names

    def force_resend(self, names: Iterable[str]) -> None:
        """Send these again with the next response, unchanged ones included, if the node has them."""
        self._resend_names.update(name for name in names if name in self.sent)

    def build_response(
        self, target: ResourcesByName, version: str, nonce: str, changed_at: float
    ) -> XdsResponse | None:
        """Build the response that brings the node to `target`; None when it needs none."""
        resources, removed = self._diff(target)
        if not resources and not removed and not self._response_due:
            return None
        content_hash = self._content_hash(resources, removed)
        if content_hash in self._nacked_contents:
            self.nack_reason = self._nacked_contents[content_hash]
            return None
        self._response_due = False
        self._resend_names.clear()
        self.sent = dict(target)
        self.nack_reason = ""
        self._last_nonce = nonce
        names = frozenset(resources) | removed
        self.unacked = UnackedResponse(nonce, version, content_hash, names, self.sent, changed_at)
        self.changed_at_s = time.time()
        return XdsResponse(
            self.resource_type, version, nonce, tuple(resources.values()), tuple(sorted(removed))
        )

    def ack(self) -> UnackedResponse:
        """Record that the node acknowledged the response."""
        answered = self._take_unacked()
        self.accepted = {name: one for name, one in answered.resources.items() if self.includes(name)}
        self.accepted_version = answered.version
        return answered

    def nack(self, reason: str) -> UnackedResponse:
        """Record that the node rejected the response and keeps its previous resources."""
        answered = self._take_unacked()
        self.nack_reason = reason
        self._nacked_contents[answered.content_hash] = reason
        return answered

    def _take_unacked(self) -> UnackedResponse:
        answered = self.unacked
        if answered is None:
            raise AssertionError("only an outstanding response is answered")
        self.unacked = None
        self.changed_at_s = time.time()
        return answered

    def _add_names(self, names: Iterable[str]) -> None:
        added = set(names)
        if len(self.names | added) > MAX_NAMES:
            raise XdsProtocolError(f"no more than {MAX_NAMES} names of one type may be asked for")
        if any(len(name) > MAX_NAME_CHARS for name in added):
            raise XdsProtocolError(f"a resource's name has at most {MAX_NAME_CHARS} characters")
        self.names |= added

    def _remove_unsubscribed(self) -> None:
        self.sent = {name: one for name, one in self.sent.items() if self.includes(name)}
        self.accepted = {name: one for name, one in self.accepted.items() if self.includes(name)}
        self._resend_names &= self.sent.keys() | self.names


class SotwSubscription(Subscription):
    """Each response holds the whole subscription; clusters and listeners that it lacks are removed."""

    def is_stale(self, request: XdsRequest) -> bool:
        return self._started and bool(request.nonce) and request.nonce != self._last_nonce

    def subscribe(self, request: XdsRequest) -> None:
        names = set(request.names)
        before = (self.is_wildcard, self.names)
        if self.resource_type.requires_full_state and not names and (not self._started or self.is_wildcard):
            names = {WILDCARD_NAME}
        self.is_wildcard = WILDCARD_NAME in names
        self.names = set()
        self._add_names(names - {WILDCARD_NAME})
        self._response_due |= not self._started or self._is_extended(*before)
        self._started = True
        self._remove_unsubscribed()

    def _is_extended(self, was_wildcard: bool, names: set[str]) -> bool:
        return (self.is_wildcard and not was_wildcard) or not self.names <= names

    def _diff(self, target: ResourcesByName) -> tuple[dict[str, XdsResource], set[str]]:
        if not self.resource_type.requires_full_state and not target:
            self._response_due = False  # Silence is how this variant says that something does not exist.
            return {}, set()
        changed = (
            self._resend_names or self._response_due or hash_versions(target) != hash_versions(self.sent)
        )
        return (dict(target) if changed else {}), (set() if target else set(self.sent))

    def _content_hash(self, resources: Mapping[str, XdsResource], removed: Iterable[str]) -> str:
        return hash_versions(resources)


class DeltaSubscription(Subscription):
    """Each response holds the changed resources and the names of removed ones."""

    def is_stale(self, request: XdsRequest) -> bool:
        return False  # A request of this variant carries changes that no later one repeats.

    def subscribe(self, request: XdsRequest) -> None:
        if not self._started:
            self._start_from(request)
        self._add_names(set(request.names) - {WILDCARD_NAME})
        self.is_wildcard |= WILDCARD_NAME in request.names
        self._resend_names.update(set(request.names) - {WILDCARD_NAME} - self._initial_names(request))
        self._unsubscribe(set(request.unsubscribed))
        self._started = True
        self._remove_unsubscribed()

    def nack(self, reason: str) -> UnackedResponse:
        """Forget the versions of the response: a node may have applied a part of one that it rejects."""
        nacked = super().nack(reason)
        self.sent = {**self.sent, **{name: XdsResource(name, _UNKNOWN_VERSION) for name in nacked.names}}
        return nacked

    def _start_from(self, request: XdsRequest) -> None:
        self.is_wildcard = self.resource_type.requires_full_state and not request.names
        self._response_due = self.is_wildcard and not request.initial_versions
        if len(request.initial_versions or ()) > MAX_NAMES:
            raise XdsProtocolError(f"no more than {MAX_NAMES} versions of one type may be told")
        self.sent = {
            name: XdsResource(name, version) for name, version in (request.initial_versions or {}).items()
        }
        self.accepted = dict(self.sent)

    def _initial_names(self, request: XdsRequest) -> set[str]:
        return set() if self._started else set(request.initial_versions or ())

    def _unsubscribe(self, names: set[str]) -> None:
        if WILDCARD_NAME in names:
            self.is_wildcard = False
        self.names -= names
        if self.is_wildcard:
            self._resend_names |= names  # The node has forgotten what it still gets by the wildcard.

    def _diff(self, target: ResourcesByName) -> tuple[dict[str, XdsResource], set[str]]:
        changed = {
            name: one
            for name, one in target.items()
            if one.body is not None and (name in self._resend_names or self.sent.get(name) != one)
        }
        return changed, (self.sent.keys() | self._resend_names) - target.keys()

    def _content_hash(self, resources: Mapping[str, XdsResource], removed: Iterable[str]) -> str:
        return hash_content([hash_versions(resources).encode(), *(name.encode() for name in sorted(removed))])
