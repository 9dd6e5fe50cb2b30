"""The contracts' comments, by the full names of their elements."""

from collections.abc import Iterator, Mapping
from pathlib import Path

from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    EnumDescriptorProto,
    FileDescriptorProto,
    FileDescriptorSet,
    ServiceDescriptorProto,
)

# Field numbers of descriptor.proto, which make up the paths in source_code_info.
_MESSAGES, _ENUMS, _SERVICES = 4, 5, 6
_FIELDS, _NESTED, _NESTED_ENUMS = 2, 3, 4
_MEMBERS = 2

SourcePath = tuple[int, ...]


def read_comments(descriptor_set: Path) -> Mapping[str, str]:
    """Return the leading comments of our own packages: full name -> text, with wrapped lines joined."""
    files = FileDescriptorSet.FromString(descriptor_set.read_bytes()).file
    ours = [file for file in files if file.package.startswith("internshipconnect.")]
    return {name: text for file in ours for name, text in _file_comments(file)}


def _file_comments(file: FileDescriptorProto) -> Iterator[tuple[str, str]]:
    names = dict(_names_by_path(file))
    for location in file.source_code_info.location:
        name = names.get(tuple(location.path))
        if name and location.leading_comments:
            yield name, _unwrap(location.leading_comments)


def _unwrap(comment: str) -> str:
    paragraphs = comment.strip().split("\n\n")
    return "\n\n".join(" ".join(line.strip() for line in text.splitlines()) for text in paragraphs)


def _names_by_path(file: FileDescriptorProto) -> Iterator[tuple[SourcePath, str]]:
    for index, message in enumerate(file.message_type):
        yield from _message_names(message, (_MESSAGES, index), file.package)
    for index, enum in enumerate(file.enum_type):
        yield from _member_names(enum, (_ENUMS, index), file.package)
    for index, service in enumerate(file.service):
        yield from _member_names(service, (_SERVICES, index), file.package)


def _message_names(
    message: DescriptorProto, path: SourcePath, scope: str
) -> Iterator[tuple[SourcePath, str]]:
    name = f"{scope}.{message.name}"
    yield path, name
    for index, field in enumerate(message.field):
        yield (*path, _FIELDS, index), f"{name}.{field.name}"
    for index, nested in enumerate(message.nested_type):
        yield from _message_names(nested, (*path, _NESTED, index), name)
    for index, enum in enumerate(message.enum_type):
        yield from _member_names(enum, (*path, _NESTED_ENUMS, index), name)


def _member_names(
    owner: EnumDescriptorProto | ServiceDescriptorProto, path: SourcePath, scope: str
) -> Iterator[tuple[SourcePath, str]]:
    name = f"{scope}.{owner.name}"
    yield path, name
    members = [value.name for value in owner.value] if isinstance(owner, EnumDescriptorProto) else []
    members += [method.name for method in owner.method] if isinstance(owner, ServiceDescriptorProto) else []
    for index, member in enumerate(members):
        yield (*path, _MEMBERS, index), f"{name}.{member}"
