"""Builds `gen/` from `protos/`: typed Python stubs and one descriptor set, with no network.

`gen/` is a package of its own (`pip install ./gen`), so that another team's service can call ours.
"""

import fcntl
import hashlib
import importlib
import importlib.metadata
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from enum import Enum
from pathlib import Path

import grpc_tools
from google.api import annotations_pb2
from google.protobuf import descriptor_pb2

from chassis import predefined_rules
from chassis.predefined_rules import PredefinedRuleError
from devstack import rule_expansion
from devstack.paths import STATE
from devstack.rule_expansion import expand_predefined_rules
from devstack.toolbox import tools
from ops.errors import OpsError
from ops.paths import GEN, PROTOS, STUBS_DIGEST

GENERATOR_PACKAGES = (
    "grpcio-tools",
    "mypy-protobuf",
    "protovalidate",
    "googleapis-common-protos",
    "protobuf",
)
VALIDATE_PROTO = "buf/validate/validate.proto"
ERROR_PROTOS = ("google/rpc/status.proto", "google/rpc/error_details.proto")
"""The types of error details, which the gateway looks up in the descriptor set; no contract imports them."""

STUBS_PROJECT = """\
[build-system]
requires = ["setuptools>=77"]
build-backend = "setuptools.build_meta"

[project]
name = "internshipconnect-stubs"
version = "0.1.0"
description = "Typed gRPC stubs of InternshipConnect"
requires-python = ">=3.11"
dependencies = ["grpcio>=1.62", "protobuf>=4.25", "googleapis-common-protos>=1.62"]

[tool.setuptools.packages.find]
include = ["internshipconnect*", "buf*"]
namespaces = true

[tool.setuptools.package-data]
"*" = ["*.pyi", "py.typed"]
"""


class StubsOutcome(Enum):
    """The outcome of a build."""

    BUILT = "built"
    UP_TO_DATE = "up to date"
    NO_PROTOS = "nothing to build: protos/ holds no contract yet"


def build_generated_stubs(*, force: bool = False, protos: Path = PROTOS, target: Path = GEN) -> StubsOutcome:
    """Build the stubs when a contract or a tool changed since the last build.

    Raises:
        OpsError: protoc refuses a contract, or warns about one; the message is protoc's own.
    """
    sources = proto_files(protos)
    if not sources:
        return StubsOutcome.NO_PROTOS
    with _build_lock():
        stamp, digest = target / STUBS_DIGEST.name, _digest_sources(protos, sources)
        if not force and stamp.exists() and stamp.read_text() == digest:
            stamp.touch()
            return StubsOutcome.UP_TO_DATE
        with tempfile.TemporaryDirectory(prefix="ic-stubs-") as scratch:
            built = Path(scratch) / "gen"
            built.mkdir()
            _generate_stubs(sources, protos, built)
            (built / stamp.name).write_text(digest)
            _replace_folder(target, built)
    _make_importable(target)
    return StubsOutcome.BUILT


def _make_importable(target: Path) -> None:
    """Make the built stubs importable here: a folder that was missing at start is not on the path."""
    if str(target) not in sys.path:
        sys.path.append(str(target))
    importlib.invalidate_caches()


def proto_files(protos: Path) -> list[str]:
    """Return all contracts below a folder, as paths for imports."""
    return sorted(path.relative_to(protos).as_posix() for path in protos.rglob("*.proto"))


def write_descriptor_set(protos: Path, output: Path) -> None:
    """Write the descriptors of all contracts below a folder, with their imports and comments.

    Predefined rules are expanded to patterns. Raises OpsError for a contract that protoc refuses, or a
    predefined rule that is no pattern.
    """
    write_source_descriptor_set(protos, output)
    files = descriptor_pb2.FileDescriptorSet.FromString(output.read_bytes())
    try:
        expand_predefined_rules(files)
    except PredefinedRuleError as error:
        raise OpsError(f"a rule of the contracts cannot be expanded: {error}") from error
    output.write_bytes(files.SerializeToString())


def write_source_descriptor_set(protos: Path, output: Path) -> None:
    """Write the same with predefined rules as the contracts name them. Raises OpsError as protoc does."""
    with tempfile.TemporaryDirectory(prefix="ic-stubs-") as scratch:
        validate = Path(scratch) / "validate.binpb"
        validate.write_bytes(validate_descriptor_set().SerializeToString())
        inputs = [f"--descriptor_set_in={validate}", *(f"-I{each}" for each in (protos, *_import_folders()))]
        outputs = [f"--descriptor_set_out={output}", "--include_imports", "--include_source_info"]
        warnings = _run_protoc([*inputs, *outputs, *proto_files(protos), *ERROR_PROTOS])
    if "warning:" in warnings:
        raise _contract_refused(warnings)


def _generate_stubs(sources: Sequence[str], protos: Path, built: Path) -> None:
    descriptors = built / "internshipconnect.binpb"
    write_descriptor_set(protos, descriptors)
    outputs = [f"--{kind}_out={built}" for kind in ("python", "grpc_python")]
    outputs += [f"--{kind}_out=quiet:{built}" for kind in ("mypy", "mypy_grpc")]
    _run_protoc(
        [f"--descriptor_set_in={descriptors}", *outputs, *sources, VALIDATE_PROTO], tools.older_protoc()
    )
    _drop_service_stubs_without_service(built)
    (built / "internshipconnect" / "py.typed").touch()
    (built / "pyproject.toml").write_text(STUBS_PROJECT)


def _run_protoc(arguments: Sequence[str], python: str = sys.executable) -> str:
    """Return what protoc warns of. Raises OpsError when it refuses the contracts."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
    done = subprocess.run(
        [python, "-m", "grpc_tools.protoc", *arguments],
        check=False,
        capture_output=True,
        text=True,
        env={**os.environ, "PATH": path},
    )
    if done.returncode != 0:
        raise _contract_refused(done.stderr)
    return done.stderr


def _contract_refused(words: str) -> OpsError:
    return OpsError(f"protoc does not accept the contracts:\n{words.strip()}")


def _import_folders() -> list[Path]:
    """Return the folders of google/protobuf and google/api in this environment."""
    return [Path(grpc_tools.__file__).parent / "_proto", Path(annotations_pb2.__file__).parents[2]]


def find_import(name: str) -> Path:
    """Return the .proto file that an import names. Raises OpsError when this environment has none."""
    found = next((folder / name for folder in _import_folders() if (folder / name).exists()), None)
    if found is None:
        raise OpsError(f"this environment has no {name}")
    return found


def validate_descriptor_set() -> descriptor_pb2.FileDescriptorSet:
    """Return the descriptor of buf/validate: protovalidate ships it as code and not as a .proto file."""
    generated = importlib.import_module("protovalidate._gen.buf.validate.validate_pb")
    files = descriptor_pb2.FileDescriptorSet()
    files.file.add().ParseFromString(generated.desc().proto.to_binary())
    return files


def _drop_service_stubs_without_service(built: Path) -> None:
    files = descriptor_pb2.FileDescriptorSet.FromString((built / "internshipconnect.binpb").read_bytes())
    for file in files.file:
        if not file.service:
            for suffix in ("py", "pyi"):
                (built / f"{file.name.removesuffix('.proto')}_pb2_grpc.{suffix}").unlink(missing_ok=True)


def _digest_sources(protos: Path, sources: Sequence[str]) -> str:
    digest = hashlib.sha256()
    for code in (__file__, rule_expansion.__file__, predefined_rules.__file__, tools.OLDER_PROTOC_LOCK):
        digest.update(Path(code).read_bytes())
    for tool in GENERATOR_PACKAGES:
        digest.update(f"{tool}={importlib.metadata.version(tool)}\n".encode())
    for source in sources:
        digest.update(source.encode() + b"\0" + (protos / source).read_bytes() + b"\0")
    return digest.hexdigest()


def _replace_folder(target: Path, built: Path) -> None:
    """Replace a folder by a finished build; a build that fails half-way leaves the old one in place."""
    shutil.rmtree(target, ignore_errors=True)
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.move(built, target)


@contextmanager
def _build_lock() -> Iterator[None]:
    """Hold the lock of builds, so that two commands started at once build once."""
    STATE.mkdir(exist_ok=True)
    with (STATE / "stubs.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
