"""Stubs from contracts."""

from pathlib import Path

import pytest

from devstack import stubs
from devstack.stubs import StubsOutcome
from ops.errors import OpsError

CONTRACT = """\
syntax = "proto3";
package internshipconnect.sample.v1;
import "buf/validate/validate.proto";
import "google/api/annotations.proto";
service SampleService {
  rpc GetSample(Sample) returns (Sample) { option (google.api.http) = {get: "/v1/samples/{id}"}; }
}
message Sample { string id = 1 [(buf.validate.field).string.min_len = 3]; }
"""
EVENTS = 'syntax = "proto3";\npackage internshipconnect.happened.v1;\nmessage Happened {}\n'


@pytest.fixture
def protos(tmp_path: Path) -> Path:
    for name, text in (("sample", CONTRACT), ("happened", EVENTS)):
        path = tmp_path / "protos" / "internshipconnect" / name / "v1" / f"{name}.proto"
        path.parent.mkdir(parents=True)
        path.write_text(text)
    return tmp_path / "protos"


def test_stubs_are_built_once_and_again_only_when_a_contract_changes(protos: Path, tmp_path: Path) -> None:
    target = tmp_path / "gen"

    assert stubs.build_generated_stubs(protos=protos, target=target) is StubsOutcome.BUILT
    assert stubs.build_generated_stubs(protos=protos, target=target) is StubsOutcome.UP_TO_DATE
    next(protos.rglob("happened.proto")).write_text(EVENTS + "message More {}\n")
    assert stubs.build_generated_stubs(protos=protos, target=target) is StubsOutcome.BUILT


def test_a_build_holds_typed_stubs_rules_and_descriptors_and_is_a_package(
    protos: Path, tmp_path: Path
) -> None:
    target = tmp_path / "gen"
    stubs.build_generated_stubs(protos=protos, target=target)

    for name in ("sample_pb2.py", "sample_pb2.pyi", "sample_pb2_grpc.py", "sample_pb2_grpc.pyi"):
        assert (target / "internshipconnect" / "sample" / "v1" / name).exists()
    assert not (target / "internshipconnect" / "happened" / "v1" / "happened_pb2_grpc.py").exists()
    assert (target / "buf" / "validate" / "validate_pb2.py").exists()
    assert (target / "internshipconnect" / "py.typed").exists()
    assert 'name = "internshipconnect-stubs"' in (target / "pyproject.toml").read_text()
    assert b"google/rpc/error_details.proto" in (target / "internshipconnect.binpb").read_bytes()


def test_a_broken_contract_is_reported_in_protocs_words_and_leaves_the_old_stubs(
    protos: Path, tmp_path: Path
) -> None:
    target = tmp_path / "gen"
    stubs.build_generated_stubs(protos=protos, target=target)
    next(protos.rglob("sample.proto")).write_text(CONTRACT.replace("returns (Sample)", "returns (Nothing)"))

    with pytest.raises(OpsError, match='"Nothing" is not defined'):
        stubs.build_generated_stubs(protos=protos, target=target)
    assert (target / "internshipconnect.binpb").exists()


def test_an_import_that_nothing_uses_is_refused(protos: Path, tmp_path: Path) -> None:
    path = next(protos.rglob("happened.proto"))
    path.write_text(EVENTS.replace("message", 'import "google/protobuf/empty.proto";\nmessage'))

    with pytest.raises(OpsError, match="unused"):
        stubs.build_generated_stubs(protos=protos, target=tmp_path / "gen")


def test_a_checkout_without_contracts_builds_nothing(tmp_path: Path) -> None:
    assert (
        stubs.build_generated_stubs(protos=tmp_path / "none", target=tmp_path / "gen")
        is StubsOutcome.NO_PROTOS
    )
