"""Parses the request and checks it against the rules of its contract."""

from typing import Any, Final, cast

from google.protobuf import message_factory
from google.protobuf.descriptor import Descriptor
from google.protobuf.message import DecodeError
from protovalidate import CompilationError, EvaluationError, FieldPathElementPb, Validator
from protovalidate import Violation as RuleViolation

from chassis.contracts import ContractError, RpcSpec
from chassis.errors import DomainError, Violation, invalid_argument
from chassis.grpc.field_names import find_field, list_message_types
from chassis.grpc.handlers import RpcContext, RpcHandler
from chassis.grpc.list_limits import ListLimits
from chassis.grpc.rule_descriptions import describe_max_items, describe_rule, field_rules_of
from chassis.grpc.text_normalization import normalize_texts
from chassis.grpc.value_rules import ValueRules

_MAX_VALID_REQUESTS: Final = 4_096
_MAX_REMEMBERED_BYTES: Final = 256


class ValidationInterceptor:
    """Refuses an invalid request with a violation per invalid field; invalid rules stop the start."""

    def __init__(self) -> None:
        self._validator = Validator()

    def bind(self, rpc: RpcSpec, proceed: RpcHandler) -> RpcHandler:
        descriptor = cast(Descriptor, rpc.request_type.DESCRIPTOR)
        self._compile_rules(descriptor)
        bounds = ListLimits(descriptor)
        too_long_in = bounds.find_oversized if bounds.is_needed else None
        values = ValueRules(descriptor)
        wrong_values = values.find_invalid if values.is_needed else None
        parse, violations_of = rpc.request_type.FromString, self._validator.collect_violations

        max_bytes = rpc.max_request_bytes
        known_valid = ValidRequests() if _may_be_remembered(rpc, descriptor) else None

        async def validated(request: Any, context: RpcContext) -> bytes:
            if known_valid is not None and request in known_valid:
                return await proceed(parse(request), context)
            if len(request) > max_bytes:
                raise _payload_too_large(len(request), max_bytes)
            try:
                message = parse(request)
            except DecodeError:
                raise _malformed_request() from None
            if too_long_in is not None and (found := too_long_in(message)):
                raise invalid_argument(Violation(".".join(found.path), describe_max_items(found.max_items)))
            normalize_texts(message)
            broken = [to_field_violation(descriptor, violation) for violation in violations_of(message)]
            if wrong_values is not None:
                described = {violation.field for violation in broken}
                found_values = [
                    Violation(".".join(each.path), each.problem) for each in wrong_values(message)
                ]
                broken += [violation for violation in found_values if violation.field not in described]
            if broken:
                raise invalid_argument(*broken)
            if known_valid is not None and message == parse(request):
                known_valid.remember(request)
            return await proceed(message, context)

        return validated

    def _compile_rules(self, request: Descriptor) -> None:
        for descriptor in list_message_types(request):
            try:
                self._validator.collect_violations(message_factory.GetMessageClass(descriptor)())
            except (CompilationError, EvaluationError) as error:
                raise ContractError(f"a rule of {descriptor.full_name} does not work: {error}") from error


class ValidRequests(set[bytes]):
    """Serialized requests that were valid as they were sent, such as those for listings that many read."""

    def remember(self, request: bytes) -> None:
        """Remember a request unless it is large; forget all when there are too many."""
        if len(request) > _MAX_REMEMBERED_BYTES:
            return
        if len(self) >= _MAX_VALID_REQUESTS:
            self.clear()
        self.add(request)


def _may_be_remembered(rpc: RpcSpec, descriptor: Descriptor) -> bool:
    """Return whether requests are small and many alike, and their rules do not depend on the time."""
    return rpc.has_no_side_effects and all(
        field.type == field.TYPE_STRING and not field.is_repeated for field in descriptor.fields
    )


def _malformed_request() -> DomainError:
    return DomainError(
        "MALFORMED_REQUEST",
        "The request is not what this call takes: text has to be UTF-8, a gRPC message that of the contract.",
    )


def _payload_too_large(size: int, max_size: int) -> DomainError:
    return DomainError("PAYLOAD_TOO_LARGE", f"A request of {size} bytes; at most {max_size}.")


def to_field_violation(request: Descriptor, violation: RuleViolation) -> Violation:
    """Return a broken rule of a message: the path of its field, and in words what the rule wants."""
    proto = violation.proto
    path = ".".join(_path_step(element) for element in proto.field.elements) if proto.field else ""
    field = find_field(request, path)
    if proto.rule is None or field is None or _has_own_message(violation):
        # The rule's ID ends with the field that it is reported on.
        named = proto.rule_id.rpartition(".")[2]
        return Violation(f"{path}.{named}".lstrip(".") if proto.rule is None else path, proto.message)
    rules: Any = field_rules_of(field)
    for element in proto.rule.elements[:-1]:
        rules = getattr(rules, element.field_name)
    return Violation(
        path, describe_rule(proto.rule.elements[-1].field_name, rules, field, violation.field_value)
    )


def _has_own_message(violation: RuleViolation) -> bool:
    """Return whether the contract wrote the rule, and its message with it."""
    return bool(violation.proto.rule and violation.proto.rule.elements[-1].field_name == "cel")


def _path_step(element: FieldPathElementPb) -> str:
    subscript = f"[{element.subscript.value}]" if element.subscript else ""
    return f"{element.field_name}{subscript}"
