"""Prints what a part of the image installs: `runtime`, `stubs` or `reinstalled`."""

import sys
import tomllib
from pathlib import Path

# As in devstack/bootstrap.py, which is not there yet when the libraries are installed.
REINSTALLED_PACKAGES = ("opentelemetry-proto", "googleapis-common-protos")


def main(part: str) -> None:
    """Print one requirement a line."""
    project = tomllib.loads(Path("pyproject.toml").read_text())
    groups = project["dependency-groups"]
    dependencies = [*project["project"]["dependencies"], *groups["operator"]]
    lock = Path("requirements.lock").read_text().splitlines()
    parts = {
        "runtime": dependencies,
        "stubs": [*dependencies, *groups["stubs"]],
        "reinstalled": [line for line in lock if line.partition("==")[0] in REINSTALLED_PACKAGES],
    }
    print(*parts[part], sep="\n")


if __name__ == "__main__":
    main(sys.argv[1])
