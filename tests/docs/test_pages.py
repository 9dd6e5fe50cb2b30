"""Every command of README and docs works as it stands, in order, and shows what the page says."""

import json
import re
import secrets
import shlex
import subprocess
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import pytest
import yaml

from chassis.contracts import find_rpc
from ops.paths import REPO
from tests.docs.pages import MARKER, PAGES, DocsBlock, DocsTarget, may_fail, read_blocks, render_script
from tests.stack import StackHandle

SEEDED = ("--companies", "3", "--students", "12", "--listings", "24", "--applications", "6")
RUN_TIMEOUT_S = 560
_WILD = re.compile(r'(?<=[\[{ ,:"])\.\.\.(?=[\]}",])')

pytestmark = pytest.mark.timeout(900)


@pytest.fixture(scope="module")
def place() -> Iterator[DocsTarget]:
    """Return the stack under test, with a little data."""
    stack = StackHandle.under_test().topology
    if not stack.seeded_marker.exists():
        seed = [str(REPO / ".venv/bin/ic"), "seed", "--stack", stack.name, *SEEDED]
        subprocess.run(seed, cwd=REPO, check=True)
    address = f"sam-{secrets.token_hex(5)}@example.com"
    yield DocsTarget(
        stack.name,
        stack.root,
        urlsplit(stack.public_url).netloc,
        urlsplit(stack.mailbox_url).netloc,
        address,
    )


RUN = [page for page in PAGES if any(block.is_run for block in read_blocks(page))]


@pytest.mark.parametrize("page", RUN)
def test_the_commands_of_a_page_work_in_their_order_and_show_what_it_says(
    page: str, place: DocsTarget, tmp_path: Path
) -> None:
    heads = tmp_path / "heads"
    heads.touch()
    done = subprocess.run(
        ["bash", "-c", render_script(page, place, heads)],
        cwd=REPO,
        check=False,
        capture_output=True,
        text=True,
        timeout=RUN_TIMEOUT_S,
    )
    printed = _by_block(done.stdout, MARKER)
    last = max(printed, default=-1)
    of = {block.number: block for block in read_blocks(page)}
    at = f"{page}:{of[last].line}" if last in of else page
    assert done.returncode == 0, f"{at}: {done.stderr[-2000:]}\n{printed.get(last, '')[-2000:]}"
    for number, statuses in _by_block(heads.read_text(), "block ").items():
        bad = [status for status in statuses.splitlines() if int(status.split()[1]) >= 400]
        assert not bad or may_fail(of[number]), f"{page}:{of[number].line}: {bad}\n{printed[number]}"
    _compare(page, list(of.values()), printed)


def _by_block(text: str, marker: str) -> dict[int, str]:
    found = re.split(rf"^{re.escape(marker)}(\d+)\n", text, flags=re.MULTILINE)[1:]
    return {int(number): said for number, said in zip(found[::2], found[1::2], strict=True)}


def _compare(page: str, found: list[DocsBlock], printed: dict[int, str]) -> None:
    ran = -1
    for block in found:
        if block.is_run:
            ran = block.number
        elif block.mark == "shown":
            said = printed[ran].strip()
            wanted = _WILD.sub("", block.text)
            if block.language == "json":
                problem = differs(json.loads(_filled(block.text)), _last_json(said))
                assert not problem, f"{page}:{block.line}: {problem}\n{said}"
            else:
                lines = [line.strip() for line in wanted.splitlines() if line.strip()]
                missing = [line for line in lines if not re.search(_pattern(line), said)]
                assert not missing, f"{page}:{block.line}: {missing}\n{said}"


def _last_json(text: str) -> Any:
    """Return the last of several answers that were printed one after the other."""
    decoder, at, last = json.JSONDecoder(), 0, None
    while at < len(text):
        last, at = decoder.raw_decode(text, at)
        at += len(text[at:]) - len(text[at:].lstrip())
    return last


def _filled(text: str) -> str:
    return text.replace("{...}", "{}").replace("[...]", "[]")


def _pattern(line: str) -> str:
    return r"\s+".join(re.escape(word).replace(r"\.\.\.", ".*") for word in line.split())


def differs(shown: Any, real: Any, at: str = "") -> str:
    """Return how the output differs from the page, where `...` matches anything; "" if it fits."""
    if isinstance(shown, dict):
        if not isinstance(real, dict):
            return f"{at or 'the whole'} is no object"
        if missing := [name for name in shown if name != "..." and name not in real]:
            return f"{at or 'the whole'} has no {', '.join(missing)}"
        found = (differs(each, real[name], f"{at}.{name}") for name, each in shown.items() if name != "...")
        return next(filter(None, found), "")
    if isinstance(shown, list):
        if not isinstance(real, list) or len(real) < len(shown):
            return f"{at} has fewer entries than shown"
        pairs = enumerate(zip(shown, real, strict=False))
        return next(filter(None, (differs(*pair, f"{at}[{n}]") for n, pair in pairs)), "")
    if isinstance(shown, str):
        pattern = re.escape(shown).replace(r"\.\.\.", ".*")
        fits = isinstance(real, str) and re.fullmatch(pattern, real, re.DOTALL)
        return "" if fits else f"{at} is {real!r}, not {shown!r}"
    return "" if type(shown) is type(real) else f"{at} is {real!r}, not like {shown!r}"


CHECKED = [
    pytest.param(page, line, id=f"{page}:{block.line}:{line[:60]}")
    for page in PAGES
    for block in read_blocks(page)
    if block.mark == "checked"
    for line in block.text.splitlines()
    if line.strip() and not line.startswith((" ", "#", "}"))
]


@pytest.mark.parametrize(("page", "line"), CHECKED)
def test_what_is_only_checked_names_commands_targets_and_options_that_there_are(page: str, line: str) -> None:
    for command in re.split(r"&&|\|", line):
        words = shlex.split(command, comments=True)
        while words and re.fullmatch(r"\w+=.*", words[0]):
            words.pop(0)
        if words:
            assert not (problem := _problem(words)), f"{page}: {problem}"


def _problem(words: list[str]) -> str:
    program, *rest = words
    if program == "make":
        return "" if f"\n{rest[0]}:" in (REPO / "Makefile").read_text() else f"there is no target {rest[0]}"
    if Path(program).name == "ic":
        told = _help(*_subcommand(rest))
        absent = [word for word in rest if word.startswith("--") and word.partition("=")[0] not in told]
        return f"ic {rest[0]} knows no {absent}" if absent and rest[0] not in ("test", "fuzz") else ""
    if program.startswith(".venv/bin/"):
        targets = [word for word in rest if word.startswith("tests/") and not (REPO / word).exists()]
        return f"there is no {targets}" if targets else ""
    return _problem_of_other_tool(program, rest)


OTHER_TOOLS: Final = {
    "buf": {"generate"},
    "cd": set(),
    "curl": {"--cacert"},
    "go": {"mod"},
    "helm": set(),
    "kind": {"load"},
    "kubectl": {"-", "-f", "-n", "apply", "get", "port-forward"},
    "podman": {"build", "--build-arg", "-t"},
    "skopeo": {"inspect", "--format"},
    "grpcurl": {"-plaintext", "-d", "list"},
    "npx": {"openapi-typescript", "-o"},
    "openapi-python-client": {"generate", "--path"},
}
"""Programs that readers have of their own, and the words by which pages call them.

Tests run the clients that the generators make (tests/e2e/test_other_languages.py, test_generated_clients.py).
"""


def _problem_of_other_tool(program: str, words: list[str]) -> str:
    name = program.strip("()")
    if name == "helm":  # tests/unit/helm/test_docs.py renders its lines
        return ""
    if name not in OTHER_TOOLS:
        return f"there is no program {program} that readers are known to have"
    options = [word for word in words if word.startswith("-")]
    if wrong := [word for word in options if word not in OTHER_TOOLS[name]]:
        return f"{name} is not called with {wrong}"
    methods = [word for word in words if word.startswith("internshipconnect.")]
    unknown = [word for word in methods if find_rpc(f"/{word}") is None]
    if unknown:
        return f"there is no method {unknown}"
    first = next((word for word in words if not word.startswith("-")), "")
    known = first in OTHER_TOOLS[name] or bool(options) or name == "cd"
    return "" if known else f"{name} is not called with {first!r}"


@pytest.mark.parametrize(
    "line",
    [
        "grpcurl --nonsense localhost:8080 list",
        "grpcurl -plaintext localhost:8080 internshipconnect.internship.v1.InternshipService/Nothing",
        "buf make",
        "frobnicate it",
        "make nothing",
        "ic shards list --nonsense",
    ],
)
def test_a_command_that_there_is_not_is_found(line: str) -> None:
    assert _problem(shlex.split(line))


def _subcommand(words: list[str]) -> tuple[str, ...]:
    groups = ("mail", "dlq", "outbox", "plan", "region", "shards")
    has_subcommand = words[0] in groups and len(words) > 1 and not words[1].startswith("-")
    return tuple(words[:2]) if has_subcommand else tuple(words[:1])


@lru_cache
def _help(*command: str) -> str:
    done = subprocess.run(
        [str(REPO / ".venv/bin/ic"), *command, "--help"], cwd=REPO, check=True, capture_output=True, text=True
    )
    return done.stdout


def test_every_page_shows_yaml_that_can_be_read() -> None:
    for page in PAGES:
        for block in read_blocks(page):
            if block.language == "yaml":
                assert yaml.safe_load(block.text), f"{page}:{block.line}"


@pytest.mark.parametrize(
    ("shown", "real", "problem"),
    [
        ({"a": "...", "b": 1}, {"a": "x", "b": 7, "c": 0}, ""),
        ({"a": "x"}, {"a": "y"}, ".a is 'y', not 'x'"),
        ({"a": {"b": []}}, {"a": {}}, ".a has no b"),
        ({"a": [{"b": "..."}]}, {"a": []}, ".a has fewer entries than shown"),
        ({"a": 1}, {"a": "1"}, ".a is '1', not like 1"),
        ({"...": "..."}, {"a": 1}, ""),
    ],
)
def test_shown_output_is_compared_by_its_shape(shown: Any, real: Any, problem: str) -> None:
    assert differs(shown, real) == problem
