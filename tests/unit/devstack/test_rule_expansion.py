"""Predefined rules and the patterns that our descriptors hold in their place."""

import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorSet
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClass
from hypothesis import given
from hypothesis import strategies as st
from protovalidate import Validator

from buf.validate import validate_pb2
from devstack import stubs
from internshipconnect.common.v1 import rules_pb2
from ops.errors import OpsError
from ops.paths import PROTOS

RULES_PROTO: Final = "internshipconnect/common/v1/rules.proto"
PATTERNS: Final[Mapping[str, str]] = {
    "one_line": "^[^\\x00-\\x1f\\x7f-\\x9f\u2028-\u202e\u2061-\u206f\ufeff\ufff9-\ufffb]*$",
    "typed": r"^[^\x00-\x1f\x7f]*$",
    "lines": r"^[^\x00-\x08\x0b-\x1f\x7f]*$",
    "id": r"^int_[0-7][0-9A-HJKMNP-TV-Z]{25}$",
    "optional_id": r"^(int_[0-7][0-9A-HJKMNP-TV-Z]{25})?$",
    "etag": r"^[A-Za-z0-9_-]{0,64}$",
    "page_token": r"^[A-Za-z0-9_.=-]*$",
    "optional_url": r"^(https?://[^\x00-\x20\x7f]+)?$",
    "optional_day": r"^([0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01]))?$",
    "optional_month": r"^([0-9]{4}-(0[1-9]|1[0-2]))?$",
    "optional_time_zone": r"^([A-Za-z_+-]+(/[A-Za-z0-9_+-]+)*)?$",
    "key": r"^[a-z0-9_-]{1,40}$",
}
RULE: Final = "(buf.validate.field).string.(internshipconnect.common.v1"
FIELDS: Final = "".join(
    f"  string {name} = {number} [{RULE}.{name}) = {value}];\n"
    for number, name in enumerate(PATTERNS, 1)
    for value in ['"int"' if name.endswith("id") else "true"]
)
SAMPLE: Final = f"""\
syntax = "proto3";
package internshipconnect.sample.v1;
import "buf/validate/validate.proto";
import "{RULES_PROTO}";
message Sample {{
{FIELDS}}}
"""
TEXTS: Final = st.one_of(
    st.text(max_size=70),
    st.text("abzAZ019_-.=/:+~ \t\n\r\x00\x1f\x7f\x80\u2028\u202e\ud7ff", max_size=30),
    st.sampled_from(
        ["https://a.example", "http://", "ftp://a", "2027-02-31", "2027-13", "2027-06", "Europe/Berlin"]
    ),
    *(st.from_regex(pattern) for pattern in PATTERNS.values()),
)


@pytest.fixture(scope="module")
def protos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("protos")
    (folder / RULES_PROTO).parent.mkdir(parents=True)
    shutil.copy(PROTOS / RULES_PROTO, folder / RULES_PROTO)
    (folder / "sample.proto").write_text(SAMPLE)
    return folder


@pytest.fixture(scope="module")
def named(protos: Path) -> Any:
    """Return the message as the contract writes it."""
    stubs.write_source_descriptor_set(protos, protos / "source.binpb")
    return _message_class(protos / "source.binpb")


@pytest.fixture(scope="module")
def expanded(protos: Path) -> Any:
    """Return the message as our code sees it."""
    stubs.write_descriptor_set(protos, protos / "expanded.binpb")
    return _message_class(protos / "expanded.binpb")


def _message_class(descriptors: Path) -> Any:
    pool = DescriptorPool()
    for file in FileDescriptorSet.FromString(descriptors.read_bytes()).file:
        pool.AddSerializedFile(file.SerializeToString())
    return GetMessageClass(pool.FindMessageTypeByName("internshipconnect.sample.v1.Sample"))


def _refused_fields(validator: Validator, message: Any) -> set[str]:
    fields = [each.proto.field for each in validator.collect_violations(message)]
    return {field.elements[0].field_name for field in fields if field}


def test_every_predefined_rule_is_tried_here() -> None:
    assert set(PATTERNS) == set(rules_pb2.DESCRIPTOR.extensions_by_name)


def test_a_field_holds_the_pattern_of_the_rule_that_its_contract_names(expanded: Any) -> None:
    rules = {
        field.name: validate_pb2.FieldRules.FromString(option.SerializeToString()).string
        for field in expanded.DESCRIPTOR.fields
        for extension, option in field.GetOptions().ListFields()
        if extension.full_name == "buf.validate.field"
    }
    assert {name: rule.pattern for name, rule in rules.items()} == PATTERNS
    assert all(len(rule.ListFields()) == 1 for rule in rules.values())


@given(text=TEXTS)
def test_a_rule_and_its_pattern_take_the_same_texts(named: Any, expanded: Any, text: str) -> None:
    validator, values = Validator(), dict.fromkeys(PATTERNS, text)
    refused = _refused_fields(validator, named(**values))
    assert refused == _refused_fields(validator, expanded(**values))
    by_pattern = {name for name, pattern in PATTERNS.items() if not re.search(f"{pattern[:-1]}\\Z", text)}
    assert refused == by_pattern


@pytest.mark.usefixtures("named", "expanded")
def test_comments_and_everything_but_the_rules_stay_as_they_are(protos: Path) -> None:
    source, ours = (
        FileDescriptorSet.FromString((protos / f"{name}.binpb").read_bytes())
        for name in ("source", "expanded")
    )
    for files in (source, ours):
        for field in next(file for file in files.file if file.name == "sample.proto").message_type[0].field:
            field.ClearField("options")
    assert source == ours


def test_a_rule_beside_a_pattern_is_refused(protos: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(protos, tmp_path / "protos")
    both = re.sub(r"(page_token = \d+ \[)", r'\1(buf.validate.field).string.pattern = "x", ', SAMPLE)
    (folder / "sample.proto").write_text(both)
    with pytest.raises(OpsError, match="page_token and a pattern"):
        stubs.write_descriptor_set(folder, tmp_path / "set.binpb")


def test_a_rule_that_is_more_than_a_pattern_is_refused(protos: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(protos, tmp_path / "protos")
    rules = (PROTOS / RULES_PROTO).read_text()
    (folder / RULES_PROTO).write_text(
        rules.replace("!rule || this.matches(", "this.size() < 5 && this.matches(", 1)
    )
    with pytest.raises(OpsError, match=r"this is not `this\.matches"):
        stubs.write_descriptor_set(folder, tmp_path / "set.binpb")
