"""Prints a descriptor as its .proto file, without comments and options.

protovalidate ships `buf/validate/validate.proto` as a descriptor only; a compiler of contracts that import it
needs the text.
"""

from collections.abc import Iterator

from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    EnumDescriptorProto,
    FieldDescriptorProto,
    FileDescriptorProto,
)

_SCALARS = {number: name.removeprefix("TYPE_").lower() for name, number in FieldDescriptorProto.Type.items()}
_LABELS = {number: name.removeprefix("LABEL_").lower() for name, number in FieldDescriptorProto.Label.items()}
_MAX_FIELD_NUMBER = 536870911


def render_proto_file(file: FileDescriptorProto) -> str:
    """Return the text of a proto2 file, with no options but those of the file itself."""
    lines = ['syntax = "proto2";', "", f"package {file.package};", ""]
    lines += [f'import "{name}";' for name in file.dependency]
    lines += ["", f'option go_package = "{file.options.go_package}";']
    lines += ["option java_multiple_files = true;", f'option java_package = "{file.options.java_package}";']
    for extension in file.extension:
        lines += ["", f"extend {extension.extendee} {{", f"  {_render_field(extension)}", "}"]
    for message in file.message_type:
        lines += ["", *_render_message(message)]
    for enum in file.enum_type:
        lines += ["", *_render_enum(enum)]
    return "\n".join(lines) + "\n"


def _render_message(message: DescriptorProto) -> Iterator[str]:
    yield f"message {message.name} {{"
    for nested in message.nested_type:
        yield from _indent_lines(_render_message(nested))
    for enum in message.enum_type:
        yield from _indent_lines(_render_enum(enum))
    for name in message.reserved_name:
        yield f'  reserved "{name}";'
    for gap in message.reserved_range:
        yield f"  reserved {gap.start} to {gap.end - 1};"
    for span in message.extension_range:
        last = "max" if span.end > _MAX_FIELD_NUMBER else str(span.end - 1)
        yield f"  extensions {span.start} to {last};"
    yield from _indent_lines(_render_fields(message))
    yield "}"


def _render_fields(message: DescriptorProto) -> Iterator[str]:
    yield from (_render_field(field) for field in message.field if not field.HasField("oneof_index"))
    for index, oneof in enumerate(message.oneof_decl):
        yield f"oneof {oneof.name} {{"
        members = [field for field in message.field if field.HasField("oneof_index")]
        for field in members:
            if field.oneof_index == index:
                yield f"  {_render_typed_field(field)}"
        yield "}"


def _render_field(field: FieldDescriptorProto) -> str:
    return f"{_LABELS[field.label]} {_render_typed_field(field)}"


def _render_typed_field(field: FieldDescriptorProto) -> str:
    return f"{field.type_name or _SCALARS[field.type]} {field.name} = {field.number};"


def _render_enum(enum: EnumDescriptorProto) -> Iterator[str]:
    yield f"enum {enum.name} {{"
    yield from (f"  {value.name} = {value.number};" for value in enum.value)
    yield "}"


def _indent_lines(lines: Iterator[str]) -> Iterator[str]:
    return (f"  {line}" for line in lines)
