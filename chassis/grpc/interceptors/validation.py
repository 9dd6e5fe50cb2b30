"""Parses the request and holds it against the rules of its contract."""

from collections.abc import Iterator
from typing import Any, cast

from google.protobuf import message_factory
from google.protobuf.descriptor import Descriptor
from google.protobuf.message import DecodeError, Message
from protovalidate import CompilationError, EvaluationError, FieldPathElementPb, Validator
from protovalidate import Violation as RuleViolation

from chassis.contracts import ContractError, RpcSpec
from chassis.errors import DomainError, Violation, invalid
from chassis.grpc.bounds import ListBounds, TooLong
from chassis.grpc.handlers import LARGEST_REQUEST_BYTES, Context, Handler
from chassis.grpc.values import ValueRules, WrongValue


class Validation:
    """Answers a request that breaks rules with every field that does; bad rules stop the service's start."""

    def __init__(self) -> None:
        self._validator = Validator()

    def bind(self, rpc: RpcSpec, proceed: Handler) -> Handler:
        descriptor = cast(Descriptor, rpc.request.DESCRIPTOR)
        self._compile_rules(descriptor)
        bounds = ListBounds(descriptor)
        too_long_in = bounds.too_long if bounds.is_needed else None
        values = ValueRules(descriptor)
        wrong_values = values.wrong if values.is_needed else None
        parse, violations_of = rpc.request.FromString, self._validator.collect_violations

        async def validated(request: Any, context: Context) -> bytes:
            if len(request) > LARGEST_REQUEST_BYTES:
                raise _too_large(len(request))
            try:
                message = parse(request)
            except DecodeError:
                raise _unreadable(rpc.request) from None
            if too_long_in is not None and (found := too_long_in(message)):
                raise invalid(_explain_length(rpc, found))
            broken = [_explain(rpc, violation) for violation in violations_of(message)]
            if wrong_values is not None:
                broken += [_explain_value(rpc, wrong) for wrong in wrong_values(message)]
            if broken:
                raise invalid(*broken)
            return await proceed(message, context)

        return validated

    def _compile_rules(self, request: Descriptor) -> None:
        for descriptor in messages_within(request):
            try:
                self._validator.collect_violations(message_factory.GetMessageClass(descriptor)())
            except (CompilationError, EvaluationError) as error:
                raise ContractError(f"a rule of {descriptor.full_name} does not work: {error}") from error


def messages_within(root: Descriptor) -> list[Descriptor]:
    """A message type and every type that its fields hold, however deep."""
    found, pending = [root], [root]
    while pending:
        for held in _types_of_fields(pending.pop()):
            if held not in found:
                found.append(held)
                pending.append(held)
    return found


def _types_of_fields(descriptor: Descriptor) -> Iterator[Descriptor]:
    return (field.message_type for field in descriptor.fields if field.message_type is not None)


def _unreadable(kind: type[Message]) -> DomainError:
    return DomainError("MALFORMED_REQUEST", f"The request is not a readable {kind.DESCRIPTOR.full_name}.")


def _too_large(size: int) -> DomainError:
    return DomainError("PAYLOAD_TOO_LARGE", f"A request of {size} bytes; at most {LARGEST_REQUEST_BYTES}.")


def _explain(rpc: RpcSpec, violation: RuleViolation) -> Violation:
    proto = violation.proto
    path = [_step(element) for element in proto.field.elements] if proto.field else []
    if not proto.field or _is_message_rule(violation):
        path.append(proto.rule_id.rpartition(".")[2])
    return Violation(_as_sent(rpc, path), proto.message)


def _explain_length(rpc: RpcSpec, found: TooLong) -> Violation:
    return Violation(_as_sent(rpc, list(found.path)), f"must contain no more than {found.most} item(s)")


def _explain_value(rpc: RpcSpec, wrong: WrongValue) -> Violation:
    return Violation(_as_sent(rpc, list(wrong.path)), wrong.problem)


def _as_sent(rpc: RpcSpec, path: list[str]) -> str:
    """The path as the caller wrote it: the body of an HTTP call is not the whole request."""
    if rpc.body not in ("", "*") and path[0] == rpc.body and len(path) > 1:
        path = path[1:]
    return ".".join(_json_name(step) for step in path)


def _step(element: FieldPathElementPb) -> str:
    subscript = f"[{element.subscript.value}]" if element.subscript else ""
    return f"{element.field_name}{subscript}"


def _is_message_rule(violation: RuleViolation) -> bool:
    return violation.proto.rule is None


def _json_name(name: str) -> str:
    head, *rest = name.split("_")
    return head + "".join(word[:1].upper() + word[1:] for word in rest)
