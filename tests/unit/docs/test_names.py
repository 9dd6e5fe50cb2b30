"""Paths and names in README and docs are those of the code."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from ops.paths import REPO

PAGES: Final = [REPO / "README.md", *sorted((REPO / "docs").glob("*.md"))]
NEWCOMER: Final = REPO / "docs" / "newcomer.md"
_FOLDERS: Final = "protos|chassis|services|gateway|ops|devstack|verify|tests|docs|load-tests|helm"
_PATH: Final = re.compile(rf"(?<![\w./-])((?:{_FOLDERS})/[\w./<>*{{}},-]*[\w>*}}/])")
_STEP: Final = re.compile(r"^\| `(?P<file>[\w/.]+\.(?:py|proto|lua))` \| `(?P<name>[\w.]+)` \|", re.MULTILINE)


def named_paths(page: Path) -> Iterator[str]:
    for quoted in re.findall(r"`([^`\n]+)`", page.read_text()):
        for match in _PATH.finditer(quoted):
            for path in alternatives(match[1].removesuffix("...").rstrip(".,")):
                yield re.sub(r"<\w+>", "*", path)


def alternatives(path: str) -> list[str]:
    """Return what `a/{b,c}.py` stands for."""
    found = re.fullmatch(r"([^{]*)\{([^}]*)\}(.*)", path)
    return [found[1] + each + found[3] for each in found[2].split(",")] if found else [path]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_path_that_a_page_names_exists(page: Path) -> None:
    missing = [path for path in named_paths(page) if not list(REPO.glob(path)) and not is_cut(path)]
    assert not missing


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_file_that_a_page_names_without_its_folder_exists(page: Path) -> None:
    names = set(re.findall(r"`([\w-]+\.(?:py|lua|proto))`", page.read_text()))
    assert not [name for name in names if not any(found(name))]


def found(name: str) -> Iterator[Path]:
    for folder in _FOLDERS.split("|"):
        yield from (REPO / folder).rglob(name)


def is_cut(path: str) -> bool:
    """Return whether the path is the beginning of a name that is completed at run time."""
    return path.endswith("*") and bool(list(REPO.glob(path.rstrip("*").rstrip("/"))))


Flow = list[tuple[str, str]]


def flows() -> dict[str, Flow]:
    """Return the requests that the page follows, by their first function: each step's file and function."""
    sections = NEWCOMER.read_text().split("\n## ")
    found = [[(step["file"], step["name"]) for step in _STEP.finditer(section)] for section in sections]
    return {steps[0][1]: steps for steps in found if steps}


FLOWS: Final = flows()
each_flow: Final = pytest.mark.parametrize("steps", FLOWS.values(), ids=FLOWS)


def definition(file: str, name: str) -> ast.AST:
    """Return the function, or the method `Class.name`. Raises AssertionError when there is none."""
    scope: ast.AST = ast.parse((REPO / file).read_text())
    for part in name.split("."):
        inside = [
            each
            for each in getattr(scope, "body", ())
            if isinstance(each, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and each.name == part
        ]
        assert inside, f"{file} has no {name}"
        scope = inside[0]
    return scope


def test_the_page_follows_a_change_and_a_search() -> None:
    assert {"ApplicationServicer.SubmitApplication", "InternshipServicer.ListInternships"} <= FLOWS.keys()


@each_flow
def test_a_request_that_the_page_follows_goes_through_these_functions(steps: Flow) -> None:
    assert len(steps) >= 5
    for (file, name), (_, following) in zip(steps, [*steps[1:], ("", "")], strict=True):
        called = following.rpartition(".")[2]
        names = {getattr(node, "attr", getattr(node, "id", "")) for node in ast.walk(definition(file, name))}
        assert not called or called in names, f"{name} does not call {called}"


@each_flow
def test_a_request_crosses_few_files_and_returns_to_none(steps: Flow) -> None:
    files = [file for file, _ in steps]
    stays = [file for file, before in zip(files, ["", *files], strict=False) if file != before]
    assert len(set(stays)) <= 6
    assert max(map(stays.count, stays)) == 1
