"""What the supervisor reads is what was meant."""

import configparser
from pathlib import Path

import pytest
from supervisor.datatypes import dict_of_key_value_pairs

from devstack import supervisor
from devstack.process import ProbeResult, StackProcess, StartStage
from devstack.supervisor import ProcessState
from devstack.topology import Topology
from ops.errors import OpsError


def _process(**environment: str) -> StackProcess:
    return StackProcess(
        name="sample",
        stage=StartStage.SERVICES,
        command=("/bin/true", "an argument"),
        ports={},
        probe=lambda: ProbeResult(True),
        environment=environment,
    )


def _program(stack: Topology, process: StackProcess) -> configparser.SectionProxy:
    parser = configparser.RawConfigParser(inline_comment_prefixes=(";", "#"))
    parser.read_string(supervisor.render_supervisor_config(stack, [process]))
    return parser["program:sample"]


@pytest.mark.parametrize(
    "value",
    [
        '{"auth":"127.0.0.1:5001","user":"127.0.0.1:5002"}',
        "a,b=c",
        "c2VjcmV0PT0=",
        "mongodb://h/?a=b&c=d",
        "",
    ],
)
def test_a_value_reaches_the_process_unchanged(stack: Topology, value: str) -> None:
    read = _program(stack, _process(IC_VALUE=value, IC_NEXT="x"))["environment"]

    assert dict_of_key_value_pairs(read % {}) == {"IC_VALUE": value, "IC_NEXT": "x"}


def test_a_percent_sign_survives_the_supervisors_expansion(stack: Topology) -> None:
    read = _program(stack, _process(IC_VALUE="100%"))["environment"]

    assert dict_of_key_value_pairs(read % {}) == {"IC_VALUE": "100%"}


def test_a_value_that_cannot_be_quoted_is_refused(stack: Topology) -> None:
    with pytest.raises(OpsError, match="quotes"):
        supervisor.render_supervisor_config(stack, [_process(IC_VALUE="both \" and '")])


def test_the_configuration_is_readable_by_its_owner_alone(stack: Topology) -> None:
    supervisor.write_supervisor_config(stack, [_process(IC_SECRET="s")])

    assert (stack.etc_folder / "supervisord.conf").stat().st_mode & 0o077 == 0


def test_a_socket_in_a_deep_folder_moves_to_a_short_path(stack: Topology) -> None:
    deep = stack.model_copy(update={"root": Path("/" + "d" * 120)})

    assert len(str(supervisor.socket_path(deep))) <= supervisor.MAX_SOCKET_PATH_BYTES
    assert supervisor.socket_path(deep) != supervisor.socket_path(
        stack.model_copy(update={"root": Path("/" + "e" * 120)})
    )


def test_a_process_given_up_on_counts_as_crash_looping() -> None:
    state = ProcessState("p", "services", "FATAL", 0, 0.0, 0, (), "")

    assert state.is_crash_looping
    assert not state.is_running


def test_old_restarts_are_no_crash_loop() -> None:
    state = ProcessState("p", "services", "RUNNING", 1, 0.0, 3, (1.0, 2.0, 3.0), "")

    assert not state.is_crash_looping
