"""Python files for the rules: a path, the text and its syntax tree."""

import ast
import subprocess
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

SHIPPED: Final = ("chassis", "services", "gateway", "ops", "devstack", "verify")
"""The packages whose public names are unique; those of tests need not be."""


@dataclass(frozen=True)
class RuleViolation:
    """One place that breaks a rule."""

    path: str
    line: int
    message: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.message}"


@dataclass(frozen=True)
class SourceFile:
    """One Python file; `path` is relative to the repository, with slashes."""

    path: str
    text: str
    tree: ast.Module

    @classmethod
    def parse(cls, path: str, text: str) -> "SourceFile":
        """Parse the text. Raises SyntaxError."""
        return cls(path, text, ast.parse(text, path))

    @property
    def package(self) -> str:
        """The first folder, "" for a file at the top."""
        return self.path.partition("/")[0] if "/" in self.path else ""

    @property
    def is_shipped(self) -> bool:
        """Whether the file belongs to one of the packages, and not to the tests."""
        return self.package in SHIPPED

    def violation(self, node: ast.AST, message: str) -> RuleViolation:
        """Return a violation at this node."""
        return RuleViolation(self.path, getattr(node, "lineno", 1), message)


def parse_sources(texts: Mapping[str, str]) -> list[SourceFile]:
    """Parse each text, in the order of the paths."""
    return [SourceFile.parse(path, texts[path]) for path in sorted(texts)]


def read_repository(root: Path) -> list[SourceFile]:
    """Parse each Python file that git tracks or would add."""
    return parse_sources({path: (root / path).read_text() for path in _python_files(root)})


def imported_modules(file: SourceFile) -> Iterator[tuple[ast.stmt, str]]:
    """Yield each module that the file imports, with the statement; of `from a import b`, also `a.b`."""
    for node in ast.walk(file.tree):
        if isinstance(node, ast.Import):
            yield from ((node, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node, node.module
            yield from ((node, f"{node.module}.{alias.name}") for alias in node.names)


def is_within(module: str, packages: Iterable[str]) -> bool:
    """Return whether the module is one of the packages or below it."""
    return any(module == package or module.startswith(package + ".") for package in packages)


def _python_files(root: Path) -> list[str]:
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "*.py"],
        cwd=root,
        check=True,
        capture_output=True,
        text=True,
    )
    return [path for path in listed.stdout.splitlines() if (root / path).exists()]
