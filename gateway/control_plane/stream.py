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
from gateway.control_plane.kinds import BY_TYPE_URL, CLUSTERS, ENDPOINTS, IN_ORDER, LISTENERS, ROUTES, Kind
from gateway.control_plane.node import Node, ProtocolError
from gateway.control_plane.snapshot import Resource, Resources, Snapshot, version_of
from gateway.control_plane.watch import Outstanding, Push, Request, Watch

_LONGEST_REASON: Final = 2_000
_WAITS_FOR: Final = {LISTENERS: (CLUSTERS,), ROUTES: (CLUSTERS, LISTENERS)}
_BRINGS_ALONG: Final = {CLUSTERS: ENDPOINTS, LISTENERS: ROUTES}

_log = get_logger()


class Stream:
    """The protocol with one node.

    `receive` takes what it says, `offer` the newest snapshot; after either, `next_push` is asked until it
    answers None. At most one response of each kind is outstanding, so that a node that is slow gets the
    newest state when it is ready for it, and what lies in between never.
    """

    def __init__(self, node: Node, new_watch: Callable[[Kind], Watch]) -> None:
        self.node = node
        self.connected_at = time.time()
        self.watches: dict[Kind, Watch] = {}
        self._new_watch = new_watch
        self._snapshot: Snapshot | None = None
        self._joined_at = time.monotonic()
        self._nonces = count(1)

    def offer(self, snapshot: Snapshot) -> None:
        """The node is to have this from now on."""
        self._snapshot = snapshot

    def receive(self, request: Request) -> None:
        """Takes a request of the node. Raises ProtocolError for one that the protocol does not allow."""
        if not request.type_url:
            raise ProtocolError("type_url has to be set on an aggregated stream")
        kind = BY_TYPE_URL.get(request.type_url)
        if kind is None:
            _log_unknown(self.node, request.type_url)
            return
        watch = self._watch(kind)
        if watch.is_late(request):
            return
        self._answered(watch, request)
        watch.subscribe(request)

    def next_push(self) -> Push | None:
        """The next response that is due; None when the node has to answer, or something to change, first."""
        if self._snapshot is None:
            return None
        for kind in IN_ORDER:
            watch = self.watches.get(kind)
            if watch is None or watch.outstanding or self._has_to_wait(watch):
                continue
            push = self._compose(watch, self._snapshot)
            if push is not None:
                return push
        return None

    def is_current(self, watch: Watch) -> bool:
        """Whether the node has confirmed what the newest snapshot holds of this kind for it."""
        if self._snapshot is None or watch.outstanding or watch.refusal:
            return False
        return version_of(self._wanted(watch, self._snapshot)) == version_of(watch.accepted)

    def target_version(self, kind: Kind) -> str:
        """The newest version of a kind; empty before there is any."""
        return self._snapshot.version(kind) if self._snapshot else ""

    def _watch(self, kind: Kind) -> Watch:
        if kind not in self.watches:
            self.watches[kind] = self._new_watch(kind)
        return self.watches[kind]

    def _answered(self, watch: Watch, request: Request) -> None:
        outstanding = watch.outstanding
        if outstanding is None or request.nonce != outstanding.nonce:
            return
        if request.error is None:
            watch.confirm()
            self._count_confirmation(watch.kind, outstanding)
        else:
            watch.refuse(request.error[:_LONGEST_REASON])
            metrics.nacks.labels(self.node.group, watch.kind.label).inc()
            _log.warning(
                "configuration refused",
                node=self.node.id,
                node_group=self.node.group,
                type=watch.kind.label,
                version=outstanding.version,
                reason=watch.refusal,
            )

    def _count_confirmation(self, kind: Kind, confirmed: Outstanding) -> None:
        metrics.acks.labels(self.node.group, kind.label).inc()
        if confirmed.changed_at > self._joined_at:
            took_s = time.monotonic() - confirmed.changed_at
            metrics.change_to_ack_seconds.labels(self.node.group, kind.label).observe(took_s)

    def _has_to_wait(self, watch: Watch) -> bool:
        return any(self._holds_up(self.watches.get(kind), watch) for kind in _WAITS_FOR.get(watch.kind, ()))

    def _holds_up(self, earlier: Watch | None, later: Watch) -> bool:
        """A push goes no further than where it was refused; a node that has nothing yet gets what it can."""
        if earlier is None:
            return False
        is_unanswered = earlier.kind is CLUSTERS and earlier.outstanding is not None
        return is_unanswered or bool(earlier.refusal and later.accepted)

    def _compose(self, watch: Watch, snapshot: Snapshot) -> Push | None:
        wanted = self._wanted(watch, snapshot)
        before = watch.sent
        is_kept = any(name not in snapshot.of_kind(watch.kind) for name in wanted)
        version = snapshot.version(watch.kind) + ("+kept" if is_kept else "")
        push = watch.compose(wanted, version, str(next(self._nonces)), snapshot.changed_at)
        if push is not None:
            metrics.pushes.labels(self.node.group, watch.kind.label).inc()
            self._bring_along(watch.kind, _changed(before, wanted))
        return push

    def _bring_along(self, kind: Kind, changed: Iterable[Resource]) -> None:
        """A changed cluster waits for its endpoints, a changed listener for its routes, changed or not."""
        dependent = self.watches.get(_BRINGS_ALONG.get(kind, kind))
        if dependent is not None and dependent.kind is not kind:
            dependent.owe(name for one in changed for used, name in one.uses if used is dependent.kind)

    def _wanted(self, watch: Watch, snapshot: Snapshot) -> Resources:
        found = {name: one for name, one in snapshot.of_kind(watch.kind).items() if watch.wants(name)}
        kept = self._kept(watch, found) if watch.kind in (CLUSTERS, ENDPOINTS) else {}
        return {**found, **kept}

    def _kept(self, watch: Watch, found: Resources) -> Resources:
        """What the snapshot no longer holds but a listener or route of the node may still need."""
        gone = {name: one for name, one in watch.sent.items() if name not in found}
        if not gone:
            return {}
        in_use = self._in_use(watch.kind)
        return gone if in_use is None else {name: one for name, one in gone.items() if name in in_use}

    def _in_use(self, kind: Kind) -> set[str] | None:
        """Names that the node's other resources hold; None when it has some that are not known here."""
        users = (LISTENERS, ROUTES) if kind is CLUSTERS else (CLUSTERS,)
        held = [one for user in users for one in self._held(user)]
        if any(one.body is None for one in held):
            return None
        return {name for one in held for used, name in one.uses if used is kind}

    def _held(self, kind: Kind) -> list[Resource]:
        watch = self.watches.get(kind)
        if watch is None:
            return []
        known = self._snapshot.of_kind(kind) if self._snapshot else {}
        held = [*watch.sent.values(), *watch.accepted.values()]
        return [known[one.name] if known.get(one.name) == one else one for one in held]


def _changed(before: Resources, after: Resources) -> list[Resource]:
    return [one for name, one in after.items() if name not in before or before[name].version != one.version]


_unknown_types: set[str] = set()
_MOST_UNKNOWN: Final = 100


def _log_unknown(node: Node, type_url: str) -> None:
    if type_url not in _unknown_types and len(_unknown_types) < _MOST_UNKNOWN:
        _unknown_types.add(type_url)
        _log.warning("type of resource is not known here", node=node.id, type_url=type_url[:200])
