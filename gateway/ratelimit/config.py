"""Parses limits in the format of envoyproxy/ratelimit, and reports all errors in them at once."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import yaml

from chassis.settings import MisconfiguredError
from gateway.ratelimit.config_reader import ConfigReader
from gateway.ratelimit.rules import (
    DEFAULT_POLICY,
    WILDCARD,
    DescriptorLevel,
    DescriptorNode,
    RateLimit,
    RateLimitRule,
    RateLimitRuleSet,
    TimeUnit,
)

ConfigFiles = Mapping[str, bytes]
"""The configuration: content by file name."""

POLICY_KEY: Final = "class"
"""The descriptor whose value answers call the limit by."""
MAX_REQUESTS_PER_UNIT: Final = 2**32 - 1
MAX_UNIT_MULTIPLIER: Final = 1_000
_FILE_KEYS: Final = ("domain", "descriptors")
_DESCRIPTOR_KEYS: Final = ("key", "value", "rate_limit", "descriptors", "shadow_mode", "detailed_metric")
_LIMIT_KEYS: Final = ("unit", "unit_multiplier", "requests_per_unit", "unlimited", "name", "replaces")
_UNITS: Final = {unit.name.lower(): unit for unit in sorted(TimeUnit, key=lambda unit: unit.seconds)}


class ConfigError(MisconfiguredError):
    """The configuration is invalid; `complaints` has every error of every file."""


def read_config_files(folder: Path) -> ConfigFiles:
    """Return the `*.yaml` files of the folder. Raises OSError when one of them cannot be read."""
    return {path.name: path.read_bytes() for path in sorted(folder.glob("*.yaml"))}


def parse_rules(files: ConfigFiles) -> RateLimitRuleSet:
    """Return the rules in the files. Raises ConfigError."""
    complaints: list[str] = [] if files else ["there is no file *.yaml"]
    domains: dict[str, DescriptorLevel] = {}
    for name, content in files.items():
        file = ConfigReader(name, complaints)
        try:
            _parse_file(file, content, domains)
        except RecursionError:
            file.complain("is nested without end")
    if complaints:
        raise ConfigError(complaints)
    return RateLimitRuleSet(domains)


def _parse_file(file: ConfigReader, content: bytes, domains: dict[str, DescriptorLevel]) -> None:
    try:
        found = yaml.load(content, _UniqueKeyLoader)  # noqa: S506 - a SafeLoader
    except (yaml.YAMLError, ValueError) as error:
        file.complain(f"is not YAML: {' '.join(str(error).split())}")
        return
    fields = file.mapping(found, _FILE_KEYS)
    if fields is None:
        return
    domain = file.at("domain").text(fields.get("domain"), required=True)
    if domain in domains:
        file.at("domain").complain(f"{domain!r} is in another file already", "one file for each domain")
    level = _parse_level(file.at("descriptors"), fields.get("descriptors", []), _ParentDescriptors(domain))
    domains.setdefault(domain, level)


@dataclass(frozen=True)
class _ParentDescriptors:
    """The context of nested descriptors: the key of the place, and the name of the policy."""

    key: str
    policy: str = ""

    def and_then(self, key: str, value: str) -> "_ParentDescriptors":
        policy = value if key == POLICY_KEY and not value.endswith(WILDCARD) else ""
        return _ParentDescriptors(f"{self.key}.{_composite_key(key, value)}", policy or self.policy)


def _parse_level(where: ConfigReader, found: Any, above: _ParentDescriptors) -> DescriptorLevel:
    level = DescriptorLevel()
    taken: set[str] = set()
    for at, item in where.items(found):
        fields = at.mapping(item, _DESCRIPTOR_KEYS)
        if fields is not None:
            _parse_descriptor(at, fields, above, level, taken)
    return level


def _parse_descriptor(
    where: ConfigReader,
    fields: dict[str, Any],
    above: _ParentDescriptors,
    level: DescriptorLevel,
    taken: set[str],
) -> None:
    key = where.at("key").text(fields.get("key"), required=True)
    value = where.at("value").text(fields.get("value", ""))
    here = above.and_then(key, value)
    composite = _composite_key(key, value)
    if key and composite in taken:
        where.at("key").complain(f"{composite!r} is a duplicate", "one descriptor for each key and value")
    if isinstance(fields.get("value", ""), str):
        taken.add(composite)
    children = _parse_level(where.at("descriptors"), fields.get("descriptors", []), here)
    level.add(key, value, DescriptorNode(_parse_rule(where, fields, here), children))


def _parse_rule(
    where: ConfigReader, fields: dict[str, Any], here: _ParentDescriptors
) -> RateLimitRule | None:
    is_shadow = where.at("shadow_mode").truth(fields.get("shadow_mode", False))
    has_detailed_metric = where.at("detailed_metric").truth(fields.get("detailed_metric", False))
    if "rate_limit" not in fields:
        return None
    rule = _parse_rate_limit(where.at("rate_limit"), fields["rate_limit"], here)
    return rule and replace(rule, is_shadow=is_shadow, has_detailed_metric=has_detailed_metric)


def _parse_rate_limit(where: ConfigReader, found: Any, here: _ParentDescriptors) -> RateLimitRule | None:
    fields = where.mapping(found, _LIMIT_KEYS)
    if fields is None:
        return None
    name = where.at("name").text(fields.get("name", ""))
    replaces = frozenset(_parse_replaces(where.at("replaces"), fields.get("replaces", []), name))
    unlimited = where.at("unlimited").truth(fields.get("unlimited", False))
    if unlimited:
        _check_unlimited(where, fields)
    limit = None if unlimited else _parse_limit(where, fields)
    return RateLimitRule(here.key, limit, here.policy or name or DEFAULT_POLICY, name, replaces)


def _check_unlimited(where: ConfigReader, fields: Iterable[str]) -> None:
    for each in ("unit", "unit_multiplier", "requests_per_unit"):
        if each in fields:
            where.at(each).complain("stands beside unlimited: true", "one of the two")


def _parse_limit(where: ConfigReader, fields: dict[str, Any]) -> RateLimit:
    unit = where.at("unit").one_of(fields.get("unit"), _UNITS)
    multiplier = where.at("unit_multiplier").number(fields.get("unit_multiplier", 1), 1, MAX_UNIT_MULTIPLIER)
    requests = where.at("requests_per_unit").number(fields.get("requests_per_unit"), 0, MAX_REQUESTS_PER_UNIT)
    return RateLimit(requests, unit or TimeUnit.SECOND, multiplier)


def _parse_replaces(where: ConfigReader, found: Any, own_name: str) -> Iterable[str]:
    for at, item in where.items(found):
        fields = at.mapping(item, ("name",))
        if fields is None:
            continue
        name = at.at("name").text(fields.get("name"), required=True)
        if name and name == own_name:
            at.at("name").complain("is the limit's own name", "the name of another limit")
        yield name


def _composite_key(key: str, value: str) -> str:
    """Return key and value joined as in envoyproxy/ratelimit; keys equal there must be equal here."""
    return f"{key}_{value}" if value else key


class _UniqueKeyLoader(yaml.SafeLoader):
    """Refuses a key that is given twice, as YAML demands; the library would take the last one."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = [key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode)]
        for key in keys:
            if keys.count(key) > 1:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key {key!r} is there twice", node.start_mark
                )
        return super().construct_mapping(node, deep)
