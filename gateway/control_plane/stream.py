"""One stream of the aggregated discovery service: what the node has, and what it is told next. No I/O.

Make before break: clusters come first, then their endpoints, and listeners and routes only when the node
has confirmed the clusters, which Envoy does when they are warm. What a route of the node still names stays
until the node has confirmed the routes that do not.
"""

import time
from collections.abc import Callable, Iterable
from itertools import count
from typing import Final

from chassis.observability.logging import get_logger
from gateway.control_plane import metrics
from gateway.control_plane.subscription import Subscription, UnackedResponse, XdsRequest, XdsResponse
from gateway.xds.nodes import XdsNode, XdsProtocolError
from gateway.xds.resource_types import (
    CLUSTER_TYPE,
    ENDPOINT_TYPE,
    LISTENER_TYPE,
    RESOURCE_TYPE_BY_URL,
    RESOURCE_TYPES_IN_PUSH_ORDER,
    ROUTE_TYPE,
    ResourceType,
)
from gateway.xds.snapshot import ResourcesByName, Snapshot, XdsResource, hash_versions

_MAX_REASON_CHARS: Final = 2_000
_PUSHED_AFTER: Final = {LISTENER_TYPE: (CLUSTER_TYPE,), ROUTE_TYPE: (CLUSTER_TYPE, LISTENER_TYPE)}
_DEPENDENT_TYPE: Final = {CLUSTER_TYPE: ENDPOINT_TYPE, LISTENER_TYPE: ROUTE_TYPE}

_log = get_logger()


class XdsStream:
    """The protocol with one node.

    `receive` takes what it says, `offer` the newest snapshot; after either, `next_push` is asked until it
    answers None. At most one response of each kind is outstanding, so that a node that is slow gets the
    newest state when it is ready for it, and what lies in between never.
    """

    def __init__(self, node: XdsNode, new_watch: Callable[[ResourceType], Subscription]) -> None:
        self.node = node
        self.connected_at = time.time()
        self.watches: dict[ResourceType, Subscription] = {}
        self._new_watch = new_watch
        self._snapshot: Snapshot | None = None
        self._joined_at = time.monotonic()
        self._nonces = count(1)

    def offer(self, snapshot: Snapshot) -> None:
        """The node is to have this from now on."""
        self._snapshot = snapshot

    def receive(self, request: XdsRequest) -> None:
        """Takes a request of the node. Raises ProtocolError for one that the protocol does not allow."""
        if not request.type_url:
            raise XdsProtocolError("type_url has to be set on an aggregated stream")
        kind = RESOURCE_TYPE_BY_URL.get(request.type_url)
        if kind is None:
            _log_unknown_type(self.node, request.type_url)
            return
        watch = self._watch(kind)
        if watch.is_late(request):
            return
        self._answered(watch, request)
        watch.subscribe(request)

    def next_push(self) -> XdsResponse | None:
        """The next response that is due; None when the node has to answer, or something to change, first."""
        if self._snapshot is None:
            return None
        for kind in RESOURCE_TYPES_IN_PUSH_ORDER:
            watch = self.watches.get(kind)
            if watch is None or watch.outstanding or self._has_to_wait(watch):
                continue
            push = self._compose(watch, self._snapshot)
            if push is not None:
                return push
        return None

    def is_current(self, watch: Subscription) -> bool:
        """Whether the node has confirmed what the newest snapshot holds of this kind for it."""
        if self._snapshot is None or watch.outstanding or watch.refusal:
            return False
        return hash_versions(self._wanted(watch, self._snapshot)) == hash_versions(watch.accepted)

    def target_version(self, kind: ResourceType) -> str:
        """The newest version of a kind; empty before there is any."""
        return self._snapshot.version(kind) if self._snapshot else ""

    def _watch(self, kind: ResourceType) -> Subscription:
        if kind not in self.watches:
            self.watches[kind] = self._new_watch(kind)
        return self.watches[kind]

    def _answered(self, watch: Subscription, request: XdsRequest) -> None:
        outstanding = watch.outstanding
        if outstanding is None or request.nonce != outstanding.nonce:
            return
        if request.error is None:
            watch.confirm()
            self._count_confirmation(watch.kind, outstanding)
        else:
            watch.refuse(request.error[:_MAX_REASON_CHARS])
            metrics.nacks.labels(self.node.group, watch.kind.label).inc()
            _log.warning(
                "configuration refused",
                node=self.node.id,
                node_group=self.node.group,
                type=watch.kind.label,
                version=outstanding.version,
                reason=watch.refusal,
            )

    def _count_confirmation(self, kind: ResourceType, confirmed: UnackedResponse) -> None:
        metrics.acks.labels(self.node.group, kind.label).inc()
        if confirmed.changed_at > self._joined_at:
            took_s = time.monotonic() - confirmed.changed_at
            metrics.change_to_ack_seconds.labels(self.node.group, kind.label).observe(took_s)

    def _has_to_wait(self, watch: Subscription) -> bool:
        return any(
            self._holds_up(self.watches.get(kind), watch) for kind in _PUSHED_AFTER.get(watch.kind, ())
        )

    def _holds_up(self, earlier: Subscription | None, later: Subscription) -> bool:
        """A push goes no further than where it was refused; a node that has nothing yet gets what it can."""
        if earlier is None:
            return False
        is_unanswered = earlier.kind is CLUSTER_TYPE and earlier.outstanding is not None
        return is_unanswered or bool(earlier.refusal and later.accepted)

    def _compose(self, watch: Subscription, snapshot: Snapshot) -> XdsResponse | None:
        wanted = self._wanted(watch, snapshot)
        before = watch.sent
        is_kept = any(name not in snapshot.of_kind(watch.kind) for name in wanted)
        version = snapshot.version(watch.kind) + ("+kept" if is_kept else "")
        push = watch.compose(wanted, version, str(next(self._nonces)), snapshot.changed_at)
        if push is not None:
            metrics.pushes.labels(self.node.group, watch.kind.label).inc()
            self._bring_along(watch.kind, _changed_resources(before, wanted))
        return push

    def _bring_along(self, kind: ResourceType, changed: Iterable[XdsResource]) -> None:
        """A changed cluster waits for its endpoints, a changed listener for its routes, changed or not."""
        dependent = self.watches.get(_DEPENDENT_TYPE.get(kind, kind))
        if dependent is not None and dependent.kind is not kind:
            dependent.owe(name for one in changed for used, name in one.uses if used is dependent.kind)

    def _wanted(self, watch: Subscription, snapshot: Snapshot) -> ResourcesByName:
        found = {name: one for name, one in snapshot.of_kind(watch.kind).items() if watch.wants(name)}
        kept = self._kept(watch, found) if watch.kind in (CLUSTER_TYPE, ENDPOINT_TYPE) else {}
        return {**found, **kept}

    def _kept(self, watch: Subscription, found: ResourcesByName) -> ResourcesByName:
        """What the snapshot no longer holds but a listener or route of the node may still need."""
        gone = {name: one for name, one in watch.sent.items() if name not in found}
        if not gone:
            return {}
        in_use = self._in_use(watch.kind)
        return gone if in_use is None else {name: one for name, one in gone.items() if name in in_use}

    def _in_use(self, kind: ResourceType) -> set[str] | None:
        """Names that the node's other resources hold; None when it has some that are not known here."""
        users = (LISTENER_TYPE, ROUTE_TYPE) if kind is CLUSTER_TYPE else (CLUSTER_TYPE,)
        held = [one for user in users for one in self._held(user)]
        if any(one.body is None for one in held):
            return None
        return {name for one in held for used, name in one.uses if used is kind}

    def _held(self, kind: ResourceType) -> list[XdsResource]:
        watch = self.watches.get(kind)
        if watch is None:
            return []
        known = self._snapshot.of_kind(kind) if self._snapshot else {}
        held = [*watch.sent.values(), *watch.accepted.values()]
        return [known[one.name] if known.get(one.name) == one else one for one in held]


def _changed_resources(before: ResourcesByName, after: ResourcesByName) -> list[XdsResource]:
    return [one for name, one in after.items() if name not in before or before[name].version != one.version]


_unknown_types: set[str] = set()
_MAX_UNKNOWN_TYPES: Final = 100


def _log_unknown_type(node: XdsNode, type_url: str) -> None:
    if type_url not in _unknown_types and len(_unknown_types) < _MAX_UNKNOWN_TYPES:
        _unknown_types.add(type_url)
        _log.warning("type of resource is not known here", node=node.id, type_url=type_url[:200])
