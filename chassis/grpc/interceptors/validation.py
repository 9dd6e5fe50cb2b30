"""Parses the request and holds it against the rules of its contract."""

from typing import Any, cast

from google.protobuf import message_factory
from google.protobuf.descriptor import Descriptor
from google.protobuf.message import DecodeError
from protovalidate import CompilationError, EvaluationError, FieldPathElementPb, Validator
from protovalidate import Violation as RuleViolation

from chassis.contracts import ContractError, RpcSpec
from chassis.errors import DomainError, Violation, invalid
from chassis.grpc.bounds import ListBounds
from chassis.grpc.handlers import LARGEST_REQUEST_BYTES, Context, Handler
from chassis.grpc.spelling import field_at, messages_within
from chassis.grpc.texts import settle_texts
from chassis.grpc.values import ValueRules
from chassis.grpc.words import at_most_items, rules_of, words_for


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
                raise _unreadable() from None
            if too_long_in is not None and (found := too_long_in(message)):
                raise invalid(Violation(".".join(found.path), at_most_items(found.most)))
            settle_texts(message)
            broken = [_explain(descriptor, violation) for violation in violations_of(message)]
            if wrong_values is not None:
                broken += [Violation(".".join(wrong.path), wrong.problem) for wrong in wrong_values(message)]
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


def _unreadable() -> DomainError:
    return DomainError(
        "MALFORMED_REQUEST",
        "The request is not what this call takes: text has to be UTF-8, a gRPC message that of the contract.",
    )


def _too_large(size: int) -> DomainError:
    return DomainError("PAYLOAD_TOO_LARGE", f"A request of {size} bytes; at most {LARGEST_REQUEST_BYTES}.")


def _explain(request: Descriptor, violation: RuleViolation) -> Violation:
    proto = violation.proto
    path = ".".join(_step(element) for element in proto.field.elements) if proto.field else ""
    field = field_at(request, path)
    if proto.rule is None or field is None or _own_words(violation):
        # The rule's ID ends with the field that it is reported on.
        named = proto.rule_id.rpartition(".")[2]
        return Violation(f"{path}.{named}".lstrip(".") if proto.rule is None else path, proto.message)
    rules: Any = rules_of(field)
    for element in proto.rule.elements[:-1]:
        rules = getattr(rules, element.field_name)
    return Violation(path, words_for(proto.rule.elements[-1].field_name, rules, field))


def _own_words(violation: RuleViolation) -> bool:
    """Whether the contract wrote the rule, and with it what to say."""
    return bool(violation.proto.rule and violation.proto.rule.elements[-1].field_name == "cel")


def _step(element: FieldPathElementPb) -> str:
    subscript = f"[{element.subscript.value}]" if element.subscript else ""
    return f"{element.field_name}{subscript}"
