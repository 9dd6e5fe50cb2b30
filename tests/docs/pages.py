"""The command blocks of a page, and a script that runs them in order as a reader would who pastes them.

A block of `sh` or `python` is run. Before a block that a test cannot run as it stands (it takes long, needs
another stack, or ends this one) stands `<!-- docs: checked -->`: then commands, targets and options only have
to be there. Before a block that shows what the last one printed stands `<!-- docs: shown -->`. A block with a
comment that speaks of an error may be answered with one.
"""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ops.paths import GEN, REPO

PAGES: Final = ("README.md", *(f"docs/{path.name}" for path in sorted((REPO / "docs").glob("*.md"))))
_BLOCK: Final = re.compile(
    r"(?:^<!-- docs: (?P<mark>\w+) -->\n+)?^```(?P<language>\w*)\n(?P<text>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)
MARKER: Final = "@@ block "


@dataclass(frozen=True)
class DocsBlock:
    """One fenced block; `mark` is `checked`, `shown` or empty."""

    number: int
    line: int
    language: str
    text: str
    mark: str

    @property
    def is_run(self) -> bool:
        return self.language in ("sh", "python") and not self.mark


@dataclass(frozen=True)
class DocsTarget:
    """Where the commands of the docs go instead of the stack `dev`."""

    stack: str
    root: Path
    gateway: str
    mailbox: str
    address: str

    def here(self, text: str) -> str:
        """Return the text with this stack's ports, folder and an address that nobody has used."""
        swaps = {
            "localhost:8080": self.gateway,
            "localhost:8025": self.mailbox,
            ".ic/stacks/dev": str(self.root),
            "sam@example.com": self.address,
            ".venv/bin/ic ": "ic ",
        }
        for told, real in swaps.items():
            text = text.replace(told, real)
        return text


def read_blocks(page: str) -> list[DocsBlock]:
    """Return all fenced blocks of a page, in order."""
    content = (REPO / page).read_text()
    return [
        DocsBlock(
            number,
            content.count("\n", 0, match.start()) + 1,
            match["language"],
            match["text"],
            match["mark"] or "",
        )
        for number, match in enumerate(_BLOCK.finditer(content))
    ]


def render_script(page: str, place: DocsTarget, heads: Path) -> str:
    """Return a script of bash that runs the page's blocks in one shell; a marker is printed before each."""
    parts = [_PRELUDE.format(stack=place.stack, bin=REPO / ".venv" / "bin", gen=GEN, heads=heads)]
    for block in read_blocks(page):
        if not block.is_run:
            continue
        parts.append(f'echo "\n{MARKER}{block.number}"; echo "block {block.number}" >> "$HEADS"')
        text = place.here(block.text)
        parts.append(f"python3 - <<'PYTHON'\n{text}PYTHON" if block.language == "python" else text)
    return "\n".join(parts)


def may_fail(block: DocsBlock) -> bool:
    """Return whether the page says that the command fails."""
    return any("error" in line.partition("#")[2] for line in block.text.splitlines())


_PRELUDE: Final = """\
set -euo pipefail
export PATH="{bin}:$PATH" PYTHONPATH="{gen}" COLUMNS=160
HEADS="{heads}"
ic() {{
  case "$1 ${{2:-}}" in
    "plan measure-records") command ic "$@" --stack {stack} ;;
    --cluster*|stubs*|plan*|"backup verify") command ic "$@" ;;
    *) command ic "$@" --stack {stack} ;;
  esac
}}
open() {{ command curl -sSf -o /dev/null "$1"; }}
curl() {{
  local head limit=() code=0
  head=$(mktemp)
  for argument in "$@"; do [ "$argument" = -N ] && limit=(--max-time 5); done
  command curl -sS -D "$head" "${{limit[@]}}" "$@" || code=$?
  grep '^HTTP/' "$head" | tail -n 1 >> "$HEADS"; rm "$head"
  [ "$code" = 28 ] && [ "${{#limit[@]}}" -gt 0 ] && return 0
  return $code
}}
"""
