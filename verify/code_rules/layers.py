"""The layers of a service: permitted imports, places of queries, and required files."""

import ast
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from verify.code_rules.source import RuleViolation, SourceFile, imported_modules, is_within

SERVICES: Final = ("auth", "user", "internship", "application", "notification", "analytics")
PLAN: Final = (
    "__main__",
    "settings",
    "api",
    "mapping",
    "domain",
    "service",
    "repository",
    "event_handlers",
    "jobs",
)
"""The files or packages that each service has."""
MAX_MAIN_LINES: Final = 40
MAX_SERVICER_LINES: Final = 20

_PROTOBUF: Final = ("google.protobuf", "google.rpc", "internshipconnect", "buf")
_MONGO: Final = ("pymongo", "bson", "gridfs")
_IO: Final = ("grpc", "redis", "kombu", "aiohttp", "aiosmtplib", "httpx")
_SHARDING_WORD: Final = re.compile(r"(?i:(?:^|_)(?:shards?|scatters?)(?:_|$))|Shard|Scatter")
_RECONCILING: Final = "chassis.sharding.reconciler"
"""For what rebuilds a derived collection, whose documents the repository gives it."""
_QUERIES: Final = frozenset(
    {
        *("find", "find_one", "find_one_and_update", "find_one_and_replace", "find_one_and_delete"),
        *("insert_one", "insert_many", "update_one", "update_many", "replace_one", "delete_one"),
        *("delete_many", "aggregate", "bulk_write", "count_documents", "estimated_document_count"),
    }
)


@dataclass(frozen=True)
class _Layer:
    folder: str
    forbidden: tuple[str, ...]


_LAYERS: Final = (
    _Layer("domain", (*_PROTOBUF, *_MONGO, *_IO, "chassis.grpc", "chassis.messaging", "chassis.sharding")),
    _Layer("service", (*_PROTOBUF, *_MONGO)),
    _Layer("search", (*_PROTOBUF, *_MONGO)),
)


def find_forbidden_imports(files: Iterable[SourceFile]) -> Iterator[RuleViolation]:
    """Yield each import that the layer must not have."""
    for file in files:
        layer = _layer_of(file.path)
        if layer is None:
            continue
        seen: set[ast.stmt] = set()
        for statement, module in imported_modules(file):
            if is_within(module, layer.forbidden) and statement not in seen:
                seen.add(statement)
                yield file.violation(statement, f"{layer.folder}/ does not import {module}")


def find_misplaced_queries(files: Iterable[SourceFile]) -> Iterator[RuleViolation]:
    """Yield each query of MongoDB of a service outside its repository."""
    for file in files:
        if not _is_beside_repository(file.path):
            continue
        for node in ast.walk(file.tree):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                # `text.find("x")` and the like have a text as argument.
                takes_text = node.args and isinstance(node.args[0], ast.Constant | ast.JoinedStr)
                if node.func.attr in _QUERIES and not takes_text:
                    yield file.violation(node, f"{node.func.attr}(): queries stand in the repository")


def find_exposed_shards(files: Iterable[SourceFile]) -> Iterator[RuleViolation]:
    """Yield each import of the sharding, and each name that speaks of shards, outside a service's repository.

    Keywords are the callee's names: `missing_shards=` of a message is the contract's. The wiring may.
    """
    for file in files:
        if not _is_beside_repository(file.path) or file.path.endswith("/__main__.py"):
            continue
        seen: set[ast.stmt] = set()
        for statement, module in imported_modules(file):
            hidden = is_within(module, ("chassis.sharding",)) and not is_within(module, (_RECONCILING,))
            if hidden and statement not in seen:
                seen.add(statement)
                yield file.violation(statement, f"{module}: the repository hides the shards")
        for node in ast.walk(file.tree):
            for name in filter(_SHARDING_WORD.search, _names_in(node)):
                yield file.violation(node, f"{name}: the repository hides the shards")


def find_missing_files(files: Iterable[SourceFile]) -> Iterator[RuleViolation]:
    """Yield each required file that a service lacks."""
    paths = {file.path for file in files}
    for service in SERVICES:
        for name in PLAN:
            module, package = f"services/{service}/{name}.py", f"services/{service}/{name}/__init__.py"
            if module not in paths and package not in paths:
                yield RuleViolation(
                    module, 1, "the plan of a service names this file, or a package of its name"
                )


def find_thick_servicers(files: Iterable[SourceFile]) -> Iterator[RuleViolation]:
    """Yield each method of a servicer, and each `__main__.py`, that is too long."""
    for file in files:
        if file.package != "services":
            continue
        if file.path.endswith("/__main__.py") and file.text.count("\n") > MAX_MAIN_LINES:
            yield RuleViolation(file.path, 1, f"wiring has at most {MAX_MAIN_LINES} lines")
        for servicer in file.tree.body:
            if isinstance(servicer, ast.ClassDef) and servicer.name.endswith("Servicer"):
                for method in servicer.body:
                    if isinstance(method, ast.FunctionDef | ast.AsyncFunctionDef):
                        lines = (method.end_lineno or method.lineno) - method.lineno + 1
                        if lines > MAX_SERVICER_LINES:
                            yield file.violation(
                                method,
                                f"{method.name} has {lines} lines: parse, call one use case, map, "
                                f"in at most {MAX_SERVICER_LINES}",
                            )


def _is_beside_repository(path: str) -> bool:
    """Whether it is a file of a service outside its repository."""
    parts = path.split("/")
    return parts[0] == "services" and len(parts) > 2 and parts[2].partition(".")[0] != "repository"


def _names_in(node: ast.AST) -> Iterator[str]:
    """Yield the name that a node uses or defines, if any."""
    match node:
        case ast.Name(id=name) | ast.Attribute(attr=name) | ast.arg(arg=name):
            yield name
        case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
            yield name


def _layer_of(path: str) -> _Layer | None:
    parts = path.split("/")
    if len(parts) < 3 or parts[0] != "services":
        return None
    name = parts[2].removesuffix(".py")
    return next((layer for layer in _LAYERS if layer.folder == name), None)
