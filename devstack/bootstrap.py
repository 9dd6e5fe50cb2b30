"""Makes `.venv` from the lock file; run with the system's Python, so standard library only."""

import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

REPO = Path(__file__).resolve().parent.parent
VENV = REPO / ".venv"
LOCK = REPO / "requirements.lock"
STAMP = VENV / ".installed"
MIN_PYTHON = (3, 11)
REINSTALLED_PACKAGES = ("opentelemetry-proto", "googleapis-common-protos")
"""xds-protos contains old copies of files of these packages, whose own files have to win."""

IC_SCRIPT = """#!{python}
import os
import sys

os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

from ops.cli import main

sys.exit(main())
"""


def main() -> int:
    """Create the environment, install the lock's packages, and make `ic` and the packages importable."""
    if sys.version_info < MIN_PYTHON:
        print(f"Python {MIN_PYTHON[0]}.{MIN_PYTHON[1]} or newer is needed; this is {sys.version.split()[0]}.")
        return 1
    create_venv()
    install_lock()
    put_packages_on_path()
    write_command()
    STAMP.touch()
    return 0


def create_venv() -> None:
    """Make the environment; fetch Debian's separate venv module if it is missing."""
    if venv_python().exists():
        return
    print_progress("creating .venv")
    if run_command([sys.executable, "-m", "venv", str(VENV)], quiet=True):
        return
    shutil.rmtree(VENV, ignore_errors=True)
    print_progress("this Python has no venv module: installing python3-venv")
    run_command(["apt-get", "update", "-qq"], quiet=True)
    run_command(["apt-get", "install", "-y", "-qq", "--no-install-recommends", "python3-venv"], quiet=True)
    run_required_command([sys.executable, "-m", "venv", str(VENV)])


def install_lock() -> None:
    """Install the lock with uv, which takes seconds; with pip if uv is not available."""
    print_progress("installing requirements.lock")
    pip = [str(venv_python()), "-m", "pip", "--disable-pip-version-check", "--quiet", "install"]
    uv = [str(VENV / "bin" / "uv"), "pip", "install", "--quiet", "--compile-bytecode", "--python"]
    uv.append(str(venv_python()))
    lock = ["-r", str(LOCK)]
    if run_command([*pip, "uv"]) and run_command([*uv, *lock]):
        run_required_command(
            [
                *uv,
                *lock,
                *(word for package in REINSTALLED_PACKAGES for word in ("--reinstall-package", package)),
            ]
        )
        return
    print_progress("uv did not manage it: installing with pip")
    run_required_command([*pip, *lock])
    run_required_command([*pip, "--force-reinstall", "--no-deps", *locked_versions(REINSTALLED_PACKAGES)])


def locked_versions(packages: Sequence[str]) -> list[str]:
    """Return these packages in the versions of the lock."""
    names = tuple(f"{package}==" for package in packages)
    return [line for line in LOCK.read_text().splitlines() if line.startswith(names)]


def put_packages_on_path() -> None:
    """Make the packages and the generated stubs importable for every Python of this environment."""
    (site_packages() / "internshipconnect-checkout.pth").write_text(f"{REPO}\n{REPO / 'gen'}\n")


def write_command() -> None:
    """Write the command `ic`, which runs from the checkout: an edit needs no reinstallation."""
    command = VENV / "bin" / "ic"
    command.write_text(IC_SCRIPT.format(python=venv_python()))
    command.chmod(0o755)


def site_packages() -> Path:
    """Return the folder from which this environment imports installed packages."""
    query = "import sysconfig; print(sysconfig.get_path('purelib'))"
    found = subprocess.run([str(venv_python()), "-c", query], check=True, capture_output=True, text=True)
    return Path(found.stdout.strip())


def venv_python() -> Path:
    """Return the environment's interpreter."""
    return VENV / "bin" / "python"


def run_command(command: list[str], *, quiet: bool = False) -> bool:
    """Run a command; return whether it succeeded."""
    try:
        return subprocess.run(command, check=False, capture_output=quiet).returncode == 0
    except FileNotFoundError:
        return False


def run_required_command(command: list[str]) -> None:
    """Run a command; exit when it fails."""
    if not run_command(command):
        raise SystemExit(f"set-up failed at: {' '.join(command)}")


def print_progress(text: str) -> None:
    """Print one line of progress."""
    print(f"set-up: {text}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
