"""The process that reads one résumé: `python -m services.user.resumes.child`, with a `ChildOrder`.

It takes the file on stdin and writes the result as JSON to stdout. Before it imports what reads files, it
bounds its memory, CPU time and life, and gives up writing files, starting processes and the network. It ends
with its parent.
"""

import ctypes
import gc
import os
import resource
import signal
import sys
from typing import Any, Final

import msgspec

_PR_SET_PDEATHSIG: Final = 1
_PR_SET_NO_NEW_PRIVS: Final = 38
_MAX_OPEN_FILES: Final = 32
_LIFE_GRACE_S: Final = 1.0
"""How much longer than the parent's deadline the process lives when its parent does not end it."""
_FORBIDDEN_EVENTS: Final = (
    "socket.", "subprocess.", "os.exec", "os.fork", "os.posix_spawn", "os.spawn", "os.system", "os.kill",
    "ctypes.dlopen", "ftplib.", "urllib.", "http.", "smtplib.", "webbrowser.", "shutil.", "os.remove",
)  # fmt: skip


class ChildOrder(msgspec.Struct, frozen=True):
    """All that the process is given besides the file."""

    media_type: str
    content_bytes: int
    parent_pid: int
    memory_bytes: int
    cpu_s: int
    deadline_s: float
    max_output_bytes: int


def main(order: ChildOrder) -> None:
    """Read the file and write the result; write nothing when the parent is gone."""
    confine_process(order)
    # The process ends before there is garbage worth collecting, and its memory is bounded.
    gc.disable()
    from services.user.domain.resumes.parsed_resume import (  # noqa: PLC0415 - within the bounds
        ResumeMediaType,
        ResumeOutcome,
        ResumeParsing,
    )
    from services.user.resumes.parse import parse_to_outcome  # noqa: PLC0415

    content = sys.stdin.buffer.read(order.content_bytes)
    if len(content) < order.content_bytes or os.getppid() != order.parent_pid:
        return
    sys.addaudithook(forbid_side_effects)
    answer = msgspec.json.encode(parse_to_outcome(content, ResumeMediaType(order.media_type)))
    if len(answer) > order.max_output_bytes:
        answer = msgspec.json.encode(ResumeParsing(ResumeOutcome.TOO_LARGE))
    sys.stdout.buffer.write(answer)
    sys.stdout.buffer.flush()


def confine_process(order: ChildOrder) -> None:
    """Bound memory, CPU time, life, files and processes; end with the parent."""
    libc = ctypes.CDLL(None, use_errno=True)
    # The kernel means the thread that started the child: of a service it is the one of the event loop.
    libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    signal.setitimer(signal.ITIMER_REAL, order.deadline_s + _LIFE_GRACE_S)
    # Its soft bound ends the process by SIGXCPU, which says why; the hard one by SIGKILL, which does not.
    resource.setrlimit(resource.RLIMIT_CPU, (order.cpu_s, order.cpu_s + 1))
    bounds = {
        resource.RLIMIT_AS: order.memory_bytes,
        resource.RLIMIT_FSIZE: 0,
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_NOFILE: _MAX_OPEN_FILES,
        resource.RLIMIT_NPROC: 0,
    }
    for kind, bound in bounds.items():
        resource.setrlimit(kind, (bound, bound))


def forbid_side_effects(event: str, arguments: tuple[Any, ...]) -> None:
    """Raise PermissionError for what no reader of a file needs: network, processes, files for writing."""
    is_writing = event == "open" and isinstance(arguments[1], str) and set(arguments[1]) & set("wax+")
    if is_writing or event.startswith(_FORBIDDEN_EVENTS):
        raise PermissionError(event)


if __name__ == "__main__":
    main(msgspec.json.decode(sys.argv[1], type=ChildOrder))
    # Without taking apart all that was imported.
    os._exit(0)
