"""The rules by name, and their violations in the repository."""

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Final

from verify.code_rules import layers, names, words
from verify.code_rules.source import RuleViolation, SourceFile, read_repository

Rule = Callable[[Iterable[SourceFile]], Iterator[RuleViolation]]


def _find_banned_words(files: Iterable[SourceFile]) -> Iterator[RuleViolation]:
    return words.find_banned_words(files, words.read_banned_words())


RULES: Final[dict[str, Rule]] = {
    "words": _find_banned_words,
    "bounds": words.find_misnamed_bounds,
    "class names": names.find_duplicate_classes,
    "layers": layers.find_forbidden_imports,
    "queries": layers.find_misplaced_queries,
    "shards": layers.find_exposed_shards,
    "service files": layers.find_missing_files,
    "servicers": layers.find_thick_servicers,
}


def find_violations(root: Path) -> list[RuleViolation]:
    """Return the violations in the repository at `root`, by rule and place."""
    files = read_repository(root)
    return [violation for rule in RULES.values() for violation in rule(files)]
