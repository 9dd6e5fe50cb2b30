"""Exports what clients in other languages need: contracts, their imports, descriptors, Python stubs."""

import shutil
from pathlib import Path
from typing import Final

from google.protobuf.descriptor_pb2 import FileDescriptorSet

from devstack import stubs
from devstack.paths import DESCRIPTORS
from devstack.proto_text import render_proto_file
from ops.errors import OpsError
from ops.paths import GEN, PROTOS, REPO

BUF_YAML: Final = """\
version: v2
modules:
  - path: proto
"""
_EXPORT_MARKER: Final = "internshipconnect.binpb"


def export_contracts(target: Path) -> None:
    """Fill `target`: `proto/`, `buf.yaml`, `buf.gen.yaml`, the descriptor set, and `python/`.

    Raises OpsError for a folder that holds something else, or that cannot be written.
    """
    stubs.build_generated_stubs()
    try:
        _fill(target)
    except OSError as error:
        raise OpsError(f"{error.filename or target} cannot be written: {error.strerror or error}") from error


def _fill(target: Path) -> None:
    if target.exists() and any(target.iterdir()) and not (target / _EXPORT_MARKER).exists():
        raise OpsError(f"{target} is not empty and no earlier export: name another folder")
    shutil.rmtree(target, ignore_errors=True)
    (target / "proto").mkdir(parents=True)
    _write_protos(target / "proto")
    (target / "buf.yaml").write_text(BUF_YAML)
    shutil.copy(REPO / "buf.gen.yaml", target)
    shutil.copy(DESCRIPTORS, target / _EXPORT_MARKER)
    shutil.copytree(
        GEN, target / "python", ignore=shutil.ignore_patterns("__pycache__", ".digest", "*.binpb")
    )


def _write_protos(folder: Path) -> None:
    """Write our contracts and their imports, except google/protobuf, which every compiler includes."""
    shutil.copytree(PROTOS, folder, dirs_exist_ok=True)
    for name in _imported_protos():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if name == stubs.VALIDATE_PROTO:
            text = render_proto_file(stubs.validate_descriptor_set().file[0])
            path.write_text(f"// Printed from the descriptor that protovalidate ships.\n{text}")
        else:
            shutil.copy(stubs.find_import(name), path)


def _imported_protos() -> list[str]:
    files = FileDescriptorSet.FromString(DESCRIPTORS.read_bytes()).file
    return [
        file.name for file in files if not file.name.startswith(("internshipconnect/", "google/protobuf/"))
    ]
