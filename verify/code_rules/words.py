"""Words: banned ones in identifiers, docstrings and comments, and the names of bounds."""

import ast
import io
import re
import tokenize
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from verify.code_rules.source import RuleViolation, SourceFile

WORD_LIST: Final = Path(__file__).with_name("banned_words.txt")
_BOUND: Final = re.compile(
    r"_?(?:(?:MOST|LEAST|LONGEST|LARGEST|SHORTEST|SMALLEST|FEWEST|ENOUGH|LOOK)(?:_\w+)?|\w+_(?:MOST|LEAST))"
    r"|_?(?:most|least|longest|largest|shortest|smallest|fewest)_\w+"
)
_SETTINGS: Final = "settings.py"
"""Settings have the names of environment variables, which must not change."""
_PART: Final = re.compile(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+|[A-Z]+|[0-9]+")


@dataclass(frozen=True)
class BannedWord:
    """A word and what to say instead; `in_names` is whether it is banned in identifiers as well."""

    word: str
    instead: str
    in_names: bool

    @property
    def pattern(self) -> re.Pattern[str]:
        """The pattern of the word in a text."""
        return re.compile(rf"(?<![\w`]){re.escape(self.word)}(?![\w`])", re.IGNORECASE)


def read_banned_words(path: Path = WORD_LIST) -> list[BannedWord]:
    """Read the list. Raises ValueError for a line without ` -> `."""
    found = []
    for line in path.read_text().splitlines():
        if line and not line.startswith("#"):
            word, arrow, instead = line.partition(" -> ")
            if not arrow:
                raise ValueError(f"{path.name}: {line!r} does not say what to use instead")
            found.append(BannedWord(word.removeprefix('"'), instead, in_names=not word.startswith('"')))
    return found


def find_banned_words(files: Iterable[SourceFile], banned: Iterable[BannedWord]) -> Iterator[RuleViolation]:
    """Yield each banned word of identifiers, docstrings and comments."""
    words = [(each, each.pattern) for each in banned]
    in_names = {each.word: each for each, _ in words if each.in_names}
    for file in files:
        for line, text in _prose(file):
            for each, pattern in words:
                for match in pattern.finditer(text):
                    at = line + text.count("\n", 0, match.start())
                    yield RuleViolation(file.path, at, f"{each.word!r}: say {each.instead}")
        for node, name in _identifiers(file.tree):
            for part in _PART.findall(name):
                if part.lower() in in_names:
                    each = in_names[part.lower()]
                    yield file.violation(node, f"{name!r} holds {each.word!r}: say {each.instead}")


def find_misnamed_bounds(files: Iterable[SourceFile]) -> Iterator[RuleViolation]:
    """Yield each constant, variable, parameter or attribute that is a bound and not called max or min."""
    for file in files:
        if file.path.endswith(_SETTINGS):
            continue
        for node, name in _identifiers(file.tree):
            if isinstance(node, ast.Name | ast.arg | ast.Attribute) and _BOUND.fullmatch(name):
                yield file.violation(node, f"{name!r}: bounds are MAX_, MIN_ or DEFAULT_, the unit last")


def _prose(file: SourceFile) -> Iterator[tuple[int, str]]:
    for node in ast.walk(file.tree):
        body = getattr(node, "body", None)
        for statement in body if isinstance(body, list) else ():
            # Docstrings, and the strings below an attribute that document it.
            value = statement.value if isinstance(statement, ast.Expr) else None
            if isinstance(value, ast.Constant) and isinstance(value.value, str):
                yield statement.lineno, value.value
    for token in tokenize.generate_tokens(io.StringIO(file.text).readline):
        if token.type == tokenize.COMMENT:
            yield token.start[0], token.string


def _identifiers(tree: ast.Module) -> Iterator[tuple[ast.AST, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node, node.name
        elif isinstance(node, ast.arg):
            yield node, node.arg
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node, node.id
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            yield node, node.attr
