"""The image's steps make what runs: alone, as another user, from what cannot be written."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from devstack.bootstrap import REINSTALLED_PACKAGES
from ops.paths import REPO
from ops.service_names import SERVICES
from tests.unit.helm.containerfile import ImageStage, build_image, read_steps

CONTAINERFILE = REPO / "Containerfile"
MAX_CODE_BYTES = 24 * 1024 * 1024
MAX_LIBRARY_BYTES = 285 * 1024 * 1024
OTHER_USER = 65534
MODULES = (*(f"services.{service}" for service in SERVICES), "gateway.control_plane", "gateway.ratelimit")


def test_the_image_needs_a_digest_of_its_base_and_runs_as_nobody_in_particular() -> None:
    steps = read_steps(CONTAINERFILE)

    assert ("ARG", "BASE_DIGEST") in steps
    bases = [rest.split()[0] for word, rest in steps if word == "FROM"]
    assert {base for base in bases if base != "libraries"} == {"${BASE}@${BASE_DIGEST}"}
    final = steps[max(number for number, (word, _) in enumerate(steps) if word == "FROM") :]
    assert ("USER", "10001:10001") in final
    assert not [rest for word, rest in final if word == "RUN"]


def test_the_libraries_come_in_a_layer_before_the_code() -> None:
    copies = [rest for word, rest in read_steps(CONTAINERFILE) if word == "COPY" and "--from" in rest]

    assert copies == ["--from=libraries /opt/venv /opt/venv", "--from=code --chown=10001:10001 /app /app"]


def test_the_same_packages_are_reinstalled_as_locally() -> None:
    text = (REPO / "helm" / "image" / "requirements.py").read_text()

    assert f"REINSTALLED_PACKAGES = {REINSTALLED_PACKAGES!r}".replace("'", '"') in text


@pytest.fixture(scope="module")
def image() -> Iterator[ImageStage]:
    """Build it where other users may look, from a copy of what git tracks."""
    scratch = Path(tempfile.mkdtemp(prefix="ic-image-", dir="/var/tmp"))
    try:
        scratch.chmod(0o755)
        context = scratch / "context"
        context.mkdir()
        tracked = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
        listed = subprocess.run(tracked, cwd=REPO, check=True, capture_output=True, text=True)
        for name in filter(None, listed.stdout.split("\0")):
            if (REPO / name).is_file():
                (context / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(REPO / name, context / name)
        stage = build_image(CONTAINERFILE, context, scratch)
        _copy_python(stage.root)
        for path in (stage.root, *stage.root.rglob("*")):
            if not path.is_symlink():
                path.chmod(path.stat().st_mode & ~0o222 | 0o444)
        yield stage
    finally:
        subprocess.run(["chmod", "-R", "u+w", str(scratch)], check=False)
        shutil.rmtree(scratch)


def _copy_python(root: Path) -> None:
    """Put this Python where the image's base has its own: others may not execute one in a home folder."""
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    base, target = Path(sys.base_prefix), root / "usr" / "local"
    unneeded = shutil.ignore_patterns("site-packages", "test", "config-*", "idlelib", "__pycache__")
    shutil.copytree(base / "lib" / version, target / "lib" / version, ignore=unneeded)
    for library in (base / "lib").glob("libpython*.so*"):
        shutil.copy(library, target / "lib")
    shutil.copy(base / "bin" / version, target / "bin" / version)
    venv = root / "opt" / "venv"
    link = venv / "bin" / "python"
    link.unlink()
    link.symlink_to(target / "bin" / version)
    (venv / "pyvenv.cfg").write_text(f"home = {target / 'bin'}\ninclude-system-site-packages = false\n")


def _run(image: ImageStage, *command: str) -> tuple[subprocess.CompletedProcess[str], float]:
    # The base image's own Python finds its library without a variable.
    environment = {"LD_LIBRARY_PATH": str(image.root / "usr" / "local" / "lib")}
    environment |= {name: image.moved(value) for name, value in image.environment.items()}
    identity = {"user": OTHER_USER, "group": OTHER_USER, "extra_groups": []} if os.getuid() == 0 else {}
    program = shutil.which(command[0], path=environment["PATH"])
    assert program is not None
    start = time.monotonic()
    done = subprocess.run(  # type: ignore[call-overload]
        [program, *command[1:]],
        cwd=image.moved(image.folder),
        env=environment,
        check=False,
        capture_output=True,
        text=True,
        **identity,
    )
    return done, time.monotonic() - start


@pytest.mark.thorough
@pytest.mark.timeout(900)
def test_every_process_starts_from_the_image_and_names_what_it_lacks(image: ImageStage) -> None:
    for module in MODULES:
        arguments = ["serve"] if module.startswith("services.") else []
        done, took_s = _run(image, "python", "-m", module, *arguments)
        print(f"{module}: {took_s:.2f} s")  # noqa: T201 - figures for `pytest -s`
        assert done.returncode == 2, done.stderr
        assert "IC_GRPC_PORT: is not set" in done.stderr
        assert "Traceback" not in done.stderr


@pytest.mark.thorough
@pytest.mark.timeout(900)
def test_the_operators_command_runs_and_has_no_command_of_the_local_stack(image: ImageStage) -> None:
    done, took_s = _run(image, "ic", "--version")
    print(f"ic --version: {took_s:.2f} s")  # noqa: T201 - figures for `pytest -s`
    assert done.stdout.startswith("ic 0."), done.stderr
    shown = _run(image, "ic", "--help")[0].stdout
    assert "provision" in shown
    assert "thorough" not in shown
    assert "no such" in _run(image, "ic", "--cluster", "/nowhere.yaml", "provision")[0].stdout.lower()


@pytest.mark.thorough
@pytest.mark.timeout(900)
def test_a_change_of_the_code_ships_few_megabytes(image: ImageStage) -> None:
    code, libraries = (_size(image.root / folder) for folder in ("app", "opt/venv"))
    print(f"code {code / 2**20:.1f} MiB, libraries {libraries / 2**20:.1f} MiB")  # noqa: T201 - figures for `pytest -s`

    assert code < MAX_CODE_BYTES
    assert libraries < MAX_LIBRARY_BYTES


@pytest.mark.thorough
@pytest.mark.timeout(900)
def test_the_image_holds_its_bill_of_materials_and_nothing_that_only_builds(image: ImageStage) -> None:
    bill = json.loads((image.root / "opt/venv/sbom.cdx.json").read_text())
    names = {component["name"].lower() for component in bill["components"]}

    assert {"grpcio", "pymongo", "pygrpc-native"} <= names
    assert not {"pip", "grpcio-tools", "mypy", "pytest", "setuptools"} & names
    assert not list(image.root.rglob("devstack"))
    assert not list(image.root.rglob("protos/*.proto"))


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file() and not path.is_symlink())
