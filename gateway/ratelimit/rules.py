"""The limits of each domain, and the one that applies to a descriptor: pure.

The rules are those of envoyproxy/ratelimit: on every level an entry is looked up by key and value, then among
the values that end in `*`, then by its key alone; a limit applies when the descriptor ends at its place.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Final

RATE_LIMIT_DOMAIN: Final = "internshipconnect"
"""The domain of the gateway's limits."""
WILDCARD: Final = "*"
DEFAULT_POLICY: Final = "default"

DescriptorEntry = tuple[str, str]
"""Key and value."""


class TimeUnit(IntEnum):
    """A unit of time, by its number in `envoy.service.ratelimit.v3`."""

    SECOND = 1
    MINUTE = 2
    HOUR = 3
    DAY = 4
    MONTH = 5
    YEAR = 6
    WEEK = 7

    @property
    def seconds(self) -> int:
        """Its length; a month has 30 days and a year 365."""
        return _SECONDS_OF_UNIT[self]


_DAY_S: Final = 86_400
_SECONDS_OF_UNIT: Final[Mapping[TimeUnit, int]] = {
    TimeUnit.SECOND: 1,
    TimeUnit.MINUTE: 60,
    TimeUnit.HOUR: 3_600,
    TimeUnit.DAY: _DAY_S,
    TimeUnit.WEEK: 7 * _DAY_S,
    TimeUnit.MONTH: 30 * _DAY_S,
    TimeUnit.YEAR: 365 * _DAY_S,
}


@dataclass(frozen=True, slots=True)
class RateLimit:
    """At most `requests` in `multiplier` units of time."""

    requests: int
    unit: TimeUnit
    multiplier: int = 1

    @property
    def window_s(self) -> int:
        """The length of the window."""
        return self.unit.seconds * self.multiplier


@dataclass(frozen=True, slots=True)
class RateLimitRule:
    """The rule for the descriptors that end at one place of the configuration.

    `key` names the place, e.g. `internshipconnect.class_SEARCH.plan_FREE.user`. Without a `limit` there is
    none. `policy` is the limit's name in answers. A rule that `is_shadow` is counted and never refuses. When
    the rule applies, those whose names it `replaces` do not apply to the same request.
    """

    key: str
    limit: RateLimit | None
    policy: str = DEFAULT_POLICY
    name: str = ""
    replaces: frozenset[str] = frozenset()
    is_shadow: bool = False
    has_detailed_metric: bool = False


@dataclass(slots=True)
class DescriptorLevel:
    """The descriptors at one depth of the configuration."""

    exact: dict[DescriptorEntry, "DescriptorNode"] = field(default_factory=dict)
    prefixes: list[tuple[str, str, "DescriptorNode"]] = field(default_factory=list)
    any_value: dict[str, "DescriptorNode"] = field(default_factory=dict)

    def add(self, key: str, value: str, place: "DescriptorNode") -> None:
        """Add `place` for descriptors with this entry; without a value, for any value of the key."""
        if value.endswith(WILDCARD):
            self.prefixes.append((key, value.removesuffix(WILDCARD), place))
            self.prefixes.sort(key=lambda each: len(each[1]), reverse=True)
        elif value:
            self.exact[key, value] = place
        else:
            self.any_value[key] = place

    def find(self, entry: DescriptorEntry) -> "DescriptorNode | None":
        """Return the most specific place for an entry: its value, its longest prefix, or its key alone."""
        return self.exact.get(entry) or self._by_prefix(entry) or self.any_value.get(entry[0])

    def _by_prefix(self, entry: DescriptorEntry) -> "DescriptorNode | None":
        for key, prefix, place in self.prefixes:
            if entry[0] == key and entry[1].startswith(prefix):
                return place
        return None


@dataclass(frozen=True, slots=True)
class DescriptorNode:
    """One descriptor of the configuration: its own rule, if it has one, and those below it."""

    rule: RateLimitRule | None
    children: DescriptorLevel


@dataclass(frozen=True, slots=True)
class RateLimitRuleSet:
    """The whole configuration, by domain."""

    domains: Mapping[str, DescriptorLevel]

    def find_rule(self, domain: str, entries: Sequence[DescriptorEntry]) -> RateLimitRule | None:
        """Return the rule for a descriptor; None when nothing limits it."""
        level, place = self.domains.get(domain), None
        for entry in entries:
            place = level.find(entry) if level is not None else None
            if place is None:
                return None
            level = place.children
        return place.rule if place is not None else None

    def all_rules(self) -> Iterable[RateLimitRule]:
        """Return every rule of every domain."""
        for level in self.domains.values():
            yield from _walk_rules(level)


def drop_replaced_rules(rules: Sequence[RateLimitRule | None]) -> list[RateLimitRule | None]:
    """Return the rules of one request's descriptors without those that another of them replaces."""
    replaced = {name for rule in rules if rule is not None for name in rule.replaces}
    return [None if rule is not None and rule.name in replaced else rule for rule in rules]


def _walk_rules(level: DescriptorLevel) -> Iterable[RateLimitRule]:
    places = [*level.exact.values(), *(each[2] for each in level.prefixes), *level.any_value.values()]
    for place in places:
        if place.rule is not None:
            yield place.rule
        yield from _walk_rules(place.children)
