"""Kubernetes' HorizontalPodAutoscaler (autoscaling/v2): its arithmetic, policies and windows."""

import math
from collections import deque
from dataclasses import dataclass, field
from typing import Final

TOLERANCE: Final = 0.1
"""`--horizontal-pod-autoscaler-tolerance`: ratios this near to 1 change nothing."""
_EPSILON: Final = 1e-9


@dataclass(frozen=True)
class ScalingPolicy:
    """The figures of an autoscaler: shares are 0 to 1 and more, times in seconds.

    Going up, the larger one of both steps counts (`selectPolicy: Max`), without a window; going down, the
    highest recommendation of the window.
    """

    min_pods: int = 100
    max_pods: int = 10_000
    target: float = 0.7
    sync_period_s: float = 15.0
    up_share: float = 1.0
    up_pods: int = 100
    up_period_s: float = 15.0
    down_share: float = 0.5
    down_period_s: float = 60.0
    down_window_s: float = 300.0


def desired_pods(current: int, utilisation: float, target: float, tolerance: float = TOLERANCE) -> int:
    """Return ceil(current x utilisation / target), or `current` within the tolerance."""
    ratio = utilisation / target
    if abs(ratio - 1) <= tolerance + _EPSILON:
        return current
    return math.ceil(current * ratio - _EPSILON)


def recommended_pods(pods: int, ready: int, utilisation: float, target: float) -> int:
    """Return the recommendation when `utilisation` is the mean of the `ready` ones of `pods`.

    As Kubernetes does: when it would go up, pods that are not ready count as idle, and if that turns the
    direction or brings the ratio within the tolerance, nothing changes.
    """
    if ready <= 0:
        return pods
    ratio = utilisation / target
    if ready >= pods or ratio <= 1:
        return pods if abs(ratio - 1) <= TOLERANCE + _EPSILON else math.ceil(ready * ratio - _EPSILON)
    with_idle = ratio * ready / pods
    if with_idle <= 1 + TOLERANCE + _EPSILON:
        return pods
    return math.ceil(pods * with_idle - _EPSILON)


@dataclass
class HorizontalAutoscaler:
    """The autoscaler of one component; `pods` is the number that it asks for."""

    policy: ScalingPolicy
    pods: int
    _recommendations: deque[tuple[float, int]] = field(default_factory=deque)
    _changes: deque[tuple[float, int]] = field(default_factory=deque)

    def sync(self, now_s: float, ready: int, utilisation: float) -> int:
        """Decide at a time by the utilisation of the ready pods, and return the number of pods."""
        wanted = recommended_pods(self.pods, ready, utilisation, self.policy.target)
        wanted = self._stabilise(now_s, wanted)
        wanted = min(max(wanted, self._lower_bound(now_s)), self._upper_bound(now_s))
        if wanted != self.pods:
            self._changes.append((now_s, wanted - self.pods))
            self.pods = wanted
        return self.pods

    def _stabilise(self, now_s: float, wanted: int) -> int:
        """Return the highest recommendation of the window, when it would go down."""
        self._recommendations.append((now_s, wanted))
        while self._recommendations[0][0] < now_s - self.policy.down_window_s:
            self._recommendations.popleft()
        if wanted >= self.pods:
            return wanted
        return min(self.pods, max(pods for _, pods in self._recommendations))

    def _upper_bound(self, now_s: float) -> int:
        policy = self.policy
        at_start = self.pods - self._changed_since(now_s - policy.up_period_s, up=True)
        by_share = math.ceil(at_start * (1 + policy.up_share) - _EPSILON)
        return min(policy.max_pods, max(by_share, at_start + policy.up_pods, self.pods))

    def _lower_bound(self, now_s: float) -> int:
        policy = self.policy
        at_start = self.pods - self._changed_since(now_s - policy.down_period_s, up=False)
        by_share = math.floor(at_start * (1 - policy.down_share) + _EPSILON)
        return max(policy.min_pods, min(by_share, self.pods))

    def _changed_since(self, since_s: float, *, up: bool) -> int:
        return sum(change for time, change in self._changes if time > since_s and (change > 0) == up)
