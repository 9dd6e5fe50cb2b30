"""The supervisor forks the stack's Python processes: shared code, and otherwise processes like any other."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from devstack import forking_supervisor
from devstack.forking_supervisor import FORKED_PROGRAMS, ForkableCode
from ops.paths import GEN, REPO

PREPARED = "from devstack.forking_supervisor import ForkableCode; code = ForkableCode(); code.prepare(); "


def _run(program: str, path: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", program],
        check=False,
        capture_output=True,
        text=True,
        cwd=REPO,
        env={"PYTHONPATH": f"{REPO}:{GEN}:{path}", "HOME": str(Path.home())},
    )


def test_the_parent_has_one_thread_and_no_connection_once_all_code_is_imported() -> None:
    found = _run(
        PREPARED + "import os, sys; print(code.is_usable, len(os.listdir('/proc/self/task')),"
        " sum('socket' in os.readlink(f'/proc/self/fd/{n}') for n in os.listdir('/proc/self/fd')"
        " if os.path.lexists(f'/proc/self/fd/{n}')),"
        " 'grpc' in sys.modules, 'pygrpc_native' in sys.modules)"
    )

    assert found.stdout.split() == ["True", "1", "0", "True", "True"], found.stderr


def test_a_forked_service_imports_nothing_more_than_its_parent() -> None:
    found = _run(
        PREPARED + "import sys; before = set(sys.modules); "
        "import chassis.roles.serve, chassis.roles.work, services.user.api; print(set(sys.modules) - before)"
    )

    assert found.stdout.strip() == "set()", found.stderr


@pytest.mark.parametrize("program", FORKED_PROGRAMS)
def test_each_of_the_stacks_python_programs_is_recognised_by_its_command(program: str) -> None:
    assert ForkableCode().program_of([sys.executable, "-m", program, "serve"]) == program


@pytest.mark.parametrize(
    "command",
    [
        [sys.executable, "-m", "http.server"],
        ["/usr/bin/python3", "-m", "services.user", "serve"],
        [sys.executable, "services/user"],
        ["/usr/bin/redis-server"],
    ],
)
def test_every_other_command_is_executed(command: list[str]) -> None:
    assert ForkableCode().program_of(command) is None


def test_code_that_has_changed_since_it_was_imported_is_executed(tmp_path: Path) -> None:
    source = tmp_path / "code.py"
    source.write_text("")
    known = {source: source.stat().st_mtime_ns}
    assert forking_supervisor._has_same_files(known)

    os.utime(source, ns=(0, known[source] + 1))
    assert not forking_supervisor._has_same_files(known)

    source.unlink()
    assert not forking_supervisor._has_same_files(known)


def test_code_that_cannot_be_imported_is_executed_and_says_why_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "broken_program").mkdir()
    (tmp_path / "broken_program" / "__main__.py").write_text("raise RuntimeError('half an edit')")
    monkeypatch.syspath_prepend(tmp_path)
    code = ForkableCode(["broken_program"])

    code.prepare()

    assert not code.is_usable


FORK = """
import os, sys, signal
from devstack.forking_supervisor import run_program
signal.signal(signal.SIGTERM, lambda *_: None)
pid = os.fork()
if not pid:
    environment = {"SUPERVISOR_PROCESS_NAME": "a-rather-long-process-name", "A": "1"}
    run_program("sample_program", ["serve"], environment)
print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
"""


@pytest.mark.parametrize(
    ("ending", "status"),
    [("", "0"), ("sys.exit(0)", "0"), ("sys.exit(3)", "3"), ("sys.exit('no')", "1"), ("1 / 0", "1")],
)
def test_a_forked_program_ends_with_its_own_exit_status(tmp_path: Path, ending: str, status: str) -> None:
    assert _run_sample(tmp_path, ending).stdout.splitlines()[-1] == status


def test_a_forked_program_has_its_own_arguments_environment_signals_and_name(tmp_path: Path) -> None:
    printed = _run_sample(
        tmp_path,
        "print(__name__, sys.argv[1:], sorted(os.environ),"
        " signal.getsignal(signal.SIGTERM) is signal.SIG_DFL, open('/proc/self/comm').read().strip())",
    ).stdout

    assert printed.splitlines()[0] == (
        "__main__ ['serve'] ['A', 'SUPERVISOR_PROCESS_NAME'] True a-rather-long-p"
    )


def test_the_error_of_a_forked_program_is_in_its_output(tmp_path: Path) -> None:
    assert "ZeroDivisionError" in _run_sample(tmp_path, "1 / 0").stderr


def _run_sample(folder: Path, code: str) -> subprocess.CompletedProcess[str]:
    (folder / "sample_program").mkdir()
    (folder / "sample_program" / "__main__.py").write_text(f"import os, signal, sys\n{code}\n")
    return _run(FORK, path=str(folder))
