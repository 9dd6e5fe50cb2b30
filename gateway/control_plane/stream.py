"""One stream of the aggregated discovery service: its subscriptions and the order of responses. No I/O.

Make before break: clusters come first, then their endpoints, and listeners and routes only after the ACK of
the clusters, which Envoy sends when they are warm. A cluster that a route of the node names is removed only
after the ACK of routes without it.
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

    Call `next_response` until it returns None after each `receive` and each `set_snapshot`. At most one
    response of each resource type is unacknowledged, so that a slow node skips intermediate snapshots.
    """

    def __init__(self, node: XdsNode, new_subscription: Callable[[ResourceType], Subscription]) -> None:
        self.node = node
        self.connected_at = time.time()
        self.subscriptions: dict[ResourceType, Subscription] = {}
        self._new_subscription = new_subscription
        self.offered_snapshot: Snapshot | None = None
        self._snapshot: Snapshot | None = None
        self._opened_at = time.monotonic()
        self._nonces = count(1)

    def set_snapshot(self, snapshot: Snapshot) -> None:
        """Serve this snapshot from now on."""
        self.offered_snapshot = None
        self._snapshot = snapshot

    def offer_snapshot(self, snapshot: Snapshot) -> None:
        """Note a snapshot that the node gets next; until `set_snapshot` it has not the newest one."""
        self.offered_snapshot = snapshot

    def receive(self, request: XdsRequest) -> None:
        """Process a request of the node. Raise XdsProtocolError for one that breaks the protocol."""
        if not request.type_url:
            raise XdsProtocolError("type_url has to be set on an aggregated stream")
        resource_type = RESOURCE_TYPE_BY_URL.get(request.type_url)
        if resource_type is None:
            _log_unknown_type(self.node, request.type_url)
            return
        subscription = self._subscription_for(resource_type)
        if subscription.is_stale(request):
            return
        self._handle_ack_or_nack(subscription, request)
        subscription.subscribe(request)

    def next_response(self) -> XdsResponse | None:
        """Return the next response; None until the node acknowledges one or a resource changes."""
        if self._snapshot is None:
            return None
        for resource_type in RESOURCE_TYPES_IN_PUSH_ORDER:
            subscription = self.subscriptions.get(resource_type)
            if subscription is None or subscription.unacked or self._is_blocked(subscription):
                continue
            response = self._build_response(subscription, self._snapshot)
            if response is not None:
                return response
        return None

    def is_current(self, subscription: Subscription) -> bool:
        """Return whether the node has acknowledged its resources of this type in the newest snapshot."""
        if self._snapshot is None or self.offered_snapshot is not None:
            return False
        if subscription.unacked or subscription.nack_reason:
            return False
        return hash_versions(self._target_resources(subscription, self._snapshot)) == hash_versions(
            subscription.accepted
        )

    def target_version(self, resource_type: ResourceType) -> str:
        """Return the newest version of a resource type; empty before the first snapshot."""
        return self._snapshot.version(resource_type) if self._snapshot else ""

    def _subscription_for(self, resource_type: ResourceType) -> Subscription:
        if resource_type not in self.subscriptions:
            # Exported as 0 before the first one.
            metrics.nacks.labels(self.node.group, resource_type.label)
            self.subscriptions[resource_type] = self._new_subscription(resource_type)
        return self.subscriptions[resource_type]

    def _handle_ack_or_nack(self, subscription: Subscription, request: XdsRequest) -> None:
        unacked = subscription.unacked
        if unacked is None or request.nonce != unacked.nonce:
            return
        if request.nack_reason is None:
            subscription.ack()
            self._record_ack(subscription.resource_type, unacked)
        else:
            subscription.nack(request.nack_reason[:_MAX_REASON_CHARS])
            metrics.nacks.labels(self.node.group, subscription.resource_type.label).inc()
            _log.warning(
                "configuration rejected",
                node=self.node.id,
                node_group=self.node.group,
                type=subscription.resource_type.label,
                version=unacked.version,
                reason=subscription.nack_reason,
            )

    def _record_ack(self, resource_type: ResourceType, acked: UnackedResponse) -> None:
        metrics.acks.labels(self.node.group, resource_type.label).inc()
        if acked.changed_at > self._opened_at:
            took_s = time.monotonic() - acked.changed_at
            metrics.change_to_ack_seconds.labels(self.node.group, resource_type.label).observe(took_s)

    def _is_blocked(self, subscription: Subscription) -> bool:
        return any(
            self._blocks(self.subscriptions.get(resource_type), subscription)
            for resource_type in _PUSHED_AFTER.get(subscription.resource_type, ())
        )

    def _blocks(self, earlier: Subscription | None, later: Subscription) -> bool:
        """Return whether the rejected `earlier` type holds back `later`, which the node already has."""
        if earlier is None:
            return False
        is_unanswered = earlier.resource_type is CLUSTER_TYPE and earlier.unacked is not None
        return is_unanswered or bool(earlier.nack_reason and later.accepted)

    def _build_response(self, subscription: Subscription, snapshot: Snapshot) -> XdsResponse | None:
        target = self._target_resources(subscription, snapshot)
        before = subscription.sent
        has_retained = any(name not in snapshot.resources_of(subscription.resource_type) for name in target)
        version = snapshot.version(subscription.resource_type) + ("+kept" if has_retained else "")
        response = subscription.build_response(target, version, str(next(self._nonces)), snapshot.changed_at)
        if response is not None:
            metrics.responses_sent.labels(self.node.group, subscription.resource_type.label).inc()
            self._resend_dependents(subscription.resource_type, _changed_resources(before, target))
        return response

    def _resend_dependents(self, resource_type: ResourceType, changed: Iterable[XdsResource]) -> None:
        """Resend what Envoy waits for: endpoints of changed clusters, routes of changed listeners."""
        dependent = self.subscriptions.get(_DEPENDENT_TYPE.get(resource_type, resource_type))
        if dependent is not None and dependent.resource_type is not resource_type:
            dependent.force_resend(
                name for one in changed for used, name in one.references if used is dependent.resource_type
            )

    def _target_resources(self, subscription: Subscription, snapshot: Snapshot) -> ResourcesByName:
        # Only those that are asked for: others may have to be built first.
        available = snapshot.resources_of(subscription.resource_type)
        found = {name: available[name] for name in available if subscription.includes(name)}
        retained = (
            self._still_referenced(subscription, found)
            if subscription.resource_type in (CLUSTER_TYPE, ENDPOINT_TYPE)
            else {}
        )
        return {**found, **retained}

    def _still_referenced(self, subscription: Subscription, found: ResourcesByName) -> ResourcesByName:
        """Return removed resources that a listener, route or cluster of the node may still name."""
        gone = {name: one for name, one in subscription.sent.items() if name not in found}
        if not gone:
            return {}
        referenced = self._referenced_names(subscription.resource_type)
        return gone if referenced is None else {name: one for name, one in gone.items() if name in referenced}

    def _referenced_names(self, resource_type: ResourceType) -> set[str] | None:
        """Return the names in the node's other resources; None when some of those are unknown here."""
        users = (LISTENER_TYPE, ROUTE_TYPE) if resource_type is CLUSTER_TYPE else (CLUSTER_TYPE,)
        at_node = [one for user in users for one in self._resources_at_node(user)]
        if any(one.body is None for one in at_node):
            return None
        return {name for one in at_node for used, name in one.references if used is resource_type}

    def _resources_at_node(self, resource_type: ResourceType) -> list[XdsResource]:
        subscription = self.subscriptions.get(resource_type)
        if subscription is None:
            return []
        known = self._snapshot.resources_of(resource_type) if self._snapshot else {}
        at_node = [*subscription.sent.values(), *subscription.accepted.values()]
        return [known[one.name] if known.get(one.name) == one else one for one in at_node]


def _changed_resources(before: ResourcesByName, after: ResourcesByName) -> list[XdsResource]:
    return [one for name, one in after.items() if name not in before or before[name].version != one.version]


_unknown_types: set[str] = set()
_MAX_UNKNOWN_TYPES: Final = 100


def _log_unknown_type(node: XdsNode, type_url: str) -> None:
    if type_url not in _unknown_types and len(_unknown_types) < _MAX_UNKNOWN_TYPES:
        _unknown_types.add(type_url)
        _log.warning("unknown resource type", node=node.id, type_url=type_url[:200])
