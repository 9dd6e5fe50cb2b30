"""Parses limits in the format of envoyproxy/ratelimit, and reports all errors in them at once."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml
from pydantic import ValidationError

from chassis.settings import MisconfiguredError
from gateway.ratelimit.config_models import (
    DescriptorConfig,
    DomainConfig,
    LimitConfig,
    UnlimitedConfig,
    describe_errors,
    format_complaint,
)
from gateway.ratelimit.rules import (
    DEFAULT_POLICY,
    WILDCARD,
    DescriptorLevel,
    DescriptorNode,
    RateLimit,
    RateLimitRule,
    RateLimitRuleSet,
)

ConfigFiles = Mapping[str, bytes]
"""The configuration: content by file name."""

POLICY_KEY: Final = "class"
"""The descriptor whose value answers call the limit by."""


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
        builder = _RuleBuilder(name, complaints)
        try:
            _parse_file(builder, content, domains)
        except RecursionError:
            builder.complain("", "is nested without end")
    if complaints:
        raise ConfigError(complaints)
    return RateLimitRuleSet(domains)


def _parse_file(builder: "_RuleBuilder", content: bytes, domains: dict[str, DescriptorLevel]) -> None:
    try:
        found = yaml.load(content, _UniqueKeyLoader)  # noqa: S506 - a SafeLoader
    except (yaml.YAMLError, ValueError) as error:
        builder.complain("", f"is not YAML: {' '.join(str(error).split())}")
        return
    domain = found.get("domain") if isinstance(found, dict) else None
    if isinstance(domain, str) and domain in domains:
        builder.complain("domain", f"{domain!r} is in another file already", "one file for each domain")
    level = DescriptorLevel()
    try:
        level = builder.build_domain(DomainConfig.model_validate(found))
    except ValidationError as error:
        builder.complaints.extend(describe_errors(builder.file, error))
    if isinstance(domain, str):
        domains.setdefault(domain, level)


@dataclass(frozen=True)
class _ParentDescriptors:
    """The context of nested descriptors: the key of the place, and the name of the policy."""

    key: str
    policy: str = ""

    def and_then(self, key: str, value: str) -> "_ParentDescriptors":
        policy = value if key == POLICY_KEY and not value.endswith(WILDCARD) else ""
        return _ParentDescriptors(f"{self.key}.{_composite_key(key, value)}", policy or self.policy)


@dataclass(frozen=True)
class _RuleBuilder:
    """Builds the rules of one file; `complaints` collects what models cannot see, such as duplicates."""

    file: str
    complaints: list[str]

    def complain(self, path: str, what: str, allowed: str = "") -> None:
        self.complaints.append(format_complaint(self.file, path, what, allowed))

    def build_domain(self, config: DomainConfig) -> DescriptorLevel:
        return self._build_level("descriptors", config.descriptors, _ParentDescriptors(config.domain))

    def _build_level(
        self, path: str, configs: Sequence[DescriptorConfig], above: _ParentDescriptors
    ) -> DescriptorLevel:
        level = DescriptorLevel()
        taken: set[str] = set()
        for number, config in enumerate(configs):
            place, value = f"{path}[{number}]", config.value or ""
            composite = _composite_key(config.key, value)
            if composite in taken:
                allowed = "one descriptor for each key and value"
                self.complain(f"{place}.key", f"{composite!r} is a duplicate", allowed)
            taken.add(composite)
            here = above.and_then(config.key, value)
            children = self._build_level(f"{place}.descriptors", config.descriptors, here)
            level.add(config.key, value, DescriptorNode(self._build_rule(place, config, here), children))
        return level

    def _build_rule(
        self, path: str, config: DescriptorConfig, here: _ParentDescriptors
    ) -> RateLimitRule | None:
        limit = config.rate_limit
        if limit is None:
            return None
        self._check_replaced(f"{path}.rate_limit.replaces", limit)
        return RateLimitRule(
            key=here.key,
            limit=_limit_of(limit),
            policy=here.policy or limit.name or DEFAULT_POLICY,
            name=limit.name or "",
            replaces=frozenset(other.name for other in limit.replaces),
            is_shadow=config.shadow_mode,
            has_detailed_metric=config.detailed_metric,
        )

    def _check_replaced(self, path: str, limit: LimitConfig | UnlimitedConfig) -> None:
        for number, other in enumerate(limit.replaces):
            if other.name == limit.name:
                place = f"{path}[{number}].name"
                self.complain(place, "is the limit's own name", "the name of another limit")


def _limit_of(config: LimitConfig | UnlimitedConfig) -> RateLimit | None:
    if isinstance(config, UnlimitedConfig):
        return None
    return RateLimit(config.requests_per_unit, config.unit, config.unit_multiplier)


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
