"""What `ic stubs --export` writes is enough for engineers of other languages, without a network."""

import json
import os
import shutil
import sys
from pathlib import Path

import grpc_tools
import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorSet

from devstack.contract_export import export_contracts
from devstack.toolbox import tools
from gateway.api_surface import edge_rpcs
from ops.paths import REPO
from tests.e2e.test_generated_clients import CLIENTS, run_client
from tests.stack import StackHandle

BUF = REPO / ".venv" / "bin" / "buf"
needs_node = pytest.mark.skipif(not tools.has_node(), reason="node and npm are not on the PATH")


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("other") / "internshipconnect"
    export_contracts(target)
    return target


def test_the_contracts_compile_with_plain_protoc(exported: Path) -> None:
    protos = sorted(path.relative_to(exported / "proto") for path in (exported / "proto").rglob("*.proto"))
    compilers_own = Path(grpc_tools.__file__).parent / "_proto"
    command: list[str | Path] = [sys.executable, "-m", "grpc_tools.protoc", "-I.", f"-I{compilers_own}"]
    run_client([*command, "--descriptor_set_out=../set.binpb", *protos], exported / "proto")
    files = FileDescriptorSet.FromString((exported / "set.binpb").read_bytes()).file
    services = {f"{file.package}.{service.name}" for file in files for service in file.service}
    assert services >= {rpc.service for rpc in edge_rpcs()}
    ours = [file for file in files if file.name.startswith("internshipconnect/")]
    assert all(file.options.go_package and file.options.java_package for file in ours)


def test_the_printed_rules_are_those_that_protovalidate_ships(exported: Path) -> None:
    run_client([BUF, "build", "-o", "built.binpb"], exported)
    built = FileDescriptorSet.FromString((exported / "built.binpb").read_bytes()).file
    printed = next(file for file in built if file.name == "buf/validate/validate.proto")
    shipped = FileDescriptorSet.FromString((exported / "internshipconnect.binpb").read_bytes()).file
    original = next(file for file in shipped if file.name == "buf/validate/validate.proto")
    assert _shape(printed.message_type) == _shape(original.message_type)
    assert [field.number for field in printed.extension] == [field.number for field in original.extension]


@pytest.mark.thorough
@needs_node
@pytest.mark.timeout(300)
@pytest.mark.skipif(not tools.has_debian(), reason="the plugins for Go are packages of Debian")
def test_buf_generates_go_and_typescript_that_calls_the_gateway(exported: Path, stack: StackHandle) -> None:
    plugins = [tools.go_plugins(), tools.node_tool("protoc-gen-es").parent]
    path = os.pathsep.join([*map(str, plugins), os.environ["PATH"]])
    run_client([BUF, "generate"], exported, {"PATH": path})
    go = (exported / "go/internshipconnect/internship/v1/internship_grpc.pb.go").read_text()
    assert "package internshipv1" in go
    assert "func NewInternshipServiceClient(" in go
    (exported / "node_modules").symlink_to(tools.node_modules())
    (exported / "package.json").write_text('{"type": "module"}')
    for name in ("grpc.ts", "tsconfig.json"):
        shutil.copy(CLIENTS / name, exported)
    run_client([tools.node_tool("tsc"), "-p", "."], exported)
    told = json.loads(run_client(["node", "built/grpc.js"], exported, {"GATEWAY": stack.gateway_url}))
    assert told == {
        "keys": "ES256",
        "page": True,
        "code": "InvalidArgument",
        "reason": "INVALID_FIELD",
        "field": "internship_id",
    }


@pytest.mark.thorough
@pytest.mark.timeout(300)
def test_the_python_package_runs_with_the_oldest_versions_that_it_admits(
    exported: Path, stack: StackHandle, tmp_path: Path
) -> None:
    tools.install_lowest_versions(tmp_path / "env", exported / "python")
    python = tmp_path / "env" / "bin" / "python"
    told = json.loads(run_client([python, CLIENTS / "call.py"], tmp_path, {"GATEWAY": stack.gateway_url}))
    assert told == {"reason": "INVALID_FIELD", "versions": ["1.62.0", "4.25.0"]}


def _shape(messages: object) -> list[object]:
    return [
        (
            message.name,
            sorted((one.number, one.name, one.type, one.label, one.type_name) for one in message.field),
            [oneof.name for oneof in message.oneof_decl],
            _shape(message.nested_type),
        )
        for message in messages  # type: ignore[attr-defined]
    ]
