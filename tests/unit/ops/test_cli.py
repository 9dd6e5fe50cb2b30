"""The command line: mistakes end in a sentence."""

import importlib
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from devstack.paths import STATE
from ops import cli
from ops.cli import command_modules, command_summary, main
from ops.paths import REPO

Screen = pytest.CaptureFixture[str]


def _ic(screen: Screen, *arguments: str) -> tuple[int | str | None, str]:
    with pytest.raises(SystemExit) as left:
        main(arguments)
    shown = screen.readouterr()
    return left.value.code, shown.out + shown.err


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["status", "--stack", "never-made"], "there is no stack 'never-made'"),
        (["down", "--stack", "../etc"], "no name for a stack"),
        (["up", "--stack", "new", "--members", "2"], "--members takes 1 or 3"),
        (["fault", "redis", "--down", "--stack", "never-made"], "there is no stack 'never-made'"),
        (["frobnicate"], "No such command"),
        (["stubs", "--export", "/proc/nowhere"], "cannot be written"),
        (["up", "--shards", "many"], "Invalid value"),
    ],
)
def test_a_mistake_ends_in_a_sentence_and_not_in_a_traceback(
    state_dir: Path, capsys: Screen, arguments: list[str], says: str
) -> None:
    code, shown = _ic(capsys, *arguments)

    assert code in (1, 2)
    assert says in shown


def test_help_lists_the_commands(capsys: Screen) -> None:
    _code, shown = _ic(capsys, "--help")

    for command in ("up", "down", "status", "logs", "mail", "lint", "test", "stubs", "provision", "fault"):
        assert command in shown
    for command in ("dlq", "outbox", "replay"):
        assert command in shown


HEAVY = {
    "pymongo",
    "grpc",
    "google",
    "kombu",
    "redis",
    "httpx",
    "opentelemetry",
    "pydantic",
    "structlog",
    "asyncio",
}


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], []])
def test_the_list_of_commands_imports_none_of_them(arguments: list[str]) -> None:
    script = (
        "import sys\n"
        "from ops.cli import main\n"
        "try:\n    main(sys.argv[1:])\n"
        "except SystemExit:\n    pass\n"
        "print('loaded:', *sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, *arguments], cwd=REPO, capture_output=True, text=True, check=True
    )
    loaded = done.stdout.rpartition("loaded: ")[2].split()
    assert not HEAVY & {name.split(".")[0] for name in loaded}
    assert not [
        name
        for name in loaded
        if name.startswith(("ops.commands.", "devstack.", "verify.", "services", "chassis"))
    ]


def test_the_version_is_printed(capsys: Screen) -> None:
    code, shown = _ic(capsys, "--version")
    assert code == 0
    assert re.fullmatch(r"ic \d+\.\d+\.\d+\n", shown)


def test_an_installed_copy_has_the_version_of_its_distribution_and_copied_code_has_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cli, "REPO", tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    assert cli.read_version() == "unknown"

    metadata = tmp_path / f"{cli.DISTRIBUTION}-7.8.9.dist-info" / "METADATA"
    metadata.parent.mkdir()
    metadata.write_text(f"Metadata-Version: 2.1\nName: {cli.DISTRIBUTION}\nVersion: 7.8.9\n")
    importlib.invalidate_caches()
    assert cli.read_version() == "7.8.9"


@pytest.mark.parametrize("name", sorted(command_modules()))
def test_every_command_can_be_loaded_and_says_in_a_line_what_it_does(capsys: Screen, name: str) -> None:
    assert 10 < len(command_summary(name)) < 100
    code, shown = _ic(capsys, name, "--help")
    assert code == 0
    assert f"Usage: ic {name}" in shown


@pytest.fixture
def fresh_checkout(tmp_path: Path) -> Path:
    """Return a copy of the packages and the contracts, without any stubs."""
    for name in ("chassis", "devstack", "gateway", "ops", "protos", "services", "verify"):
        shutil.copytree(REPO / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    # What the tools need is installed once, not in each copy.
    (tmp_path / STATE.name).mkdir()
    (tmp_path / STATE.name / "tools").symlink_to(STATE / "tools")
    return tmp_path


def _load_in(checkout: Path, command: str) -> subprocess.CompletedProcess[str]:
    """Run `ic COMMAND --help` there, out of reach of this checkout's own packages and stubs."""
    installed = [path for path in sys.path if not path.startswith(str(REPO)) or "site-packages" in path]
    paths = [str(checkout), *installed, *map(str, checkout.glob("gen"))]
    script = f"import sys\nsys.path[:] = {paths!r}\nfrom ops.cli import main\nmain([{command!r}, '--help'])\n"
    return subprocess.run(
        [sys.executable, "-c", script], cwd=checkout, capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize("command", ["up", "bench"])
def test_any_command_may_be_the_first_in_a_fresh_checkout(fresh_checkout: Path, command: str) -> None:
    done = _load_in(fresh_checkout, command)
    assert done.returncode == 0, done.stderr
    assert f"Usage: ic {command}" in done.stdout
    assert (fresh_checkout / "gen" / "internshipconnect" / "auth" / "v1" / "auth_pb2.py").exists()


def test_a_changed_contract_is_built_by_the_next_command_and_a_broken_one_leaves_the_stubs(
    fresh_checkout: Path,
) -> None:
    assert _load_in(fresh_checkout, "up").returncode == 0
    contract = fresh_checkout / "protos/internshipconnect/events/v1/events.proto"
    stub = fresh_checkout / "gen/internshipconnect/events/v1/events_pb2.pyi"

    contract.write_text(f"{contract.read_text()}\nmessage Added {{}}\n")
    assert _load_in(fresh_checkout, "up").returncode == 0
    assert "class Added(" in stub.read_text()

    contract.write_text("no contract\n")
    assert _load_in(fresh_checkout, "up").returncode == 0
    assert "class Added(" in stub.read_text()
