"""Unique names: a search for a public class finds one."""

import ast
from collections import defaultdict
from collections.abc import Iterable, Iterator

from verify.code_rules.source import RuleViolation, SourceFile


def find_duplicate_classes(files: Iterable[SourceFile]) -> Iterator[RuleViolation]:
    """Yield each public class of the packages with the same name as another one."""
    found: dict[str, list[tuple[SourceFile, ast.ClassDef]]] = defaultdict(list)
    for file in files:
        if file.is_shipped:
            for node in file.tree.body:
                if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                    found[node.name].append((file, node))
    for name, places in sorted(found.items()):
        for file, node in places if len(places) > 1 else ():
            others = ", ".join(other.path for other, _ in places if other is not file)
            yield file.violation(node, f"the class {name} stands in {others}, too: name what it is here")
