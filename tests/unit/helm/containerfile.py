"""Carries out a Containerfile's steps in a folder, as no container engine is needed for what they do here.

Each stage has a folder of its own that stands for its root; absolute paths of the steps are moved there.
"""

import os
import re
import shlex
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

MOVED_FOLDERS: Final = ("opt", "app", "src", "usr/local/bin")
_MOVED_PATH: Final = re.compile(rf"(?<![\w./-])/(?={'|'.join(MOVED_FOLDERS)})(?=[\w/.]*)")


@dataclass
class ImageStage:
    """A stage: its root, and the environment and folder in which its commands run."""

    name: str
    root: Path
    environment: dict[str, str] = field(default_factory=dict)
    folder: str = "/"
    user: str = ""

    def moved(self, text: str) -> str:
        """Return the text with its paths below the stage's root."""
        return _MOVED_PATH.sub(f"{self.root}/", text)


def read_steps(path: Path) -> list[tuple[str, str]]:
    """Return instruction and arguments of each step."""
    lines = [line for line in path.read_text().splitlines() if line and not line.startswith("#")]
    return [(word, rest) for word, _, rest in (line.partition(" ") for line in lines)]


def build_image(containerfile: Path, context: Path, scratch: Path) -> ImageStage:
    """Carry out all steps; return the last stage."""
    stages: list[ImageStage] = []
    for word, rest in read_steps(containerfile):
        if word == "FROM":
            stages.append(_begin_stage(rest, stages, scratch))
        elif word not in ("ARG", "CMD"):
            _carry_out(word, rest, stages, context)
    return stages[-1]


def _begin_stage(rest: str, stages: list[ImageStage], scratch: Path) -> ImageStage:
    source, _, name = rest.partition(" AS ")
    stage = ImageStage(name or "final", scratch / (name or "final"))
    parent = next((each for each in stages if each.name == source), None)
    if parent is None:
        stage.root.mkdir(parents=True)
        return stage
    # An environment of Python knows its own folder: the later stage goes on in that of the earlier one, as
    # its steps add to it only.
    return ImageStage(name, parent.root, dict(parent.environment), parent.folder)


def _carry_out(word: str, rest: str, stages: list[ImageStage], context: Path) -> None:
    stage = stages[-1]
    match word:
        case "WORKDIR":
            stage.folder = rest
            Path(stage.moved(rest)).mkdir(parents=True, exist_ok=True)
        case "ENV":
            stage.environment |= dict(pair.split("=", 1) for pair in rest.split())
        case "USER":
            stage.user = rest
        case "COPY":
            _copy(rest, stages, context)
        case "RUN":
            _run(stage, rest)
        case _:
            raise ValueError(f"this does not know the step {word}")


def _copy(rest: str, stages: list[ImageStage], context: Path) -> None:
    *words, target = shlex.split(rest)
    options = dict(word[2:].split("=", 1) for word in words if word.startswith("--"))
    sources = [word for word in words if not word.startswith("--")]
    origin = next((each.root for each in stages if each.name == options.get("from")), context)
    for source in sources:
        found, place = origin / source.lstrip("/"), Path(stages[-1].moved(target))
        if found.is_dir():
            shutil.copytree(found, place, symlinks=True, dirs_exist_ok=True)
        else:
            place = place / found.name if target.endswith("/") else place
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(found, place)


def _run(stage: ImageStage, command: str) -> None:
    environment = {name: stage.moved(value) for name, value in stage.environment.items()}
    base = Path(sys.base_prefix) / "bin"
    path = f"{base}:/usr/bin:/bin"
    done = subprocess.run(
        ["sh", "-euc", stage.moved(command)],
        cwd=stage.moved(stage.folder),
        env={"PATH": path, "HOME": str(stage.root), "PYTHONPATH": "", **_package_settings(), **environment},
        check=False,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    if done.returncode != 0:
        raise RuntimeError(f"RUN {command}\n{done.stdout[-3000:]}")


def _package_settings() -> dict[str, str]:
    """Return what this machine needs to reach its package index."""
    return {
        name: value for name, value in os.environ.items() if name.startswith(("PIP_", "SSL_", "REQUESTS_"))
    }
