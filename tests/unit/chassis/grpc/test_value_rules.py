"""The option `value` of a contract's field is held wherever such a field is, however deep."""

import re
from collections.abc import Iterator
from typing import cast

from google.protobuf.descriptor import Descriptor, FieldDescriptor

from chassis.contracts import list_services, rpcs_of_service
from chassis.grpc.field_names import list_message_types
from chassis.grpc.value_rules import InvalidValue, ValueRules
from gateway.api_surface import is_output_only
from internshipconnect.internship.v1 import internship_pb2 as internship
from internshipconnect.options.v1 import options_pb2
from internshipconnect.user.v1 import user_pb2 as user

NAMES = {
    options_pb2.VALUE_COUNTRY: re.compile(r"country|countries|work_authorisation"),
    options_pb2.VALUE_CURRENCY: re.compile(r"currency"),
    options_pb2.VALUE_WHOLE_NUMBER: re.compile(r".*_minor"),
    options_pb2.VALUE_EMAIL_ADDRESS: re.compile(r"email"),
}


def wrong(message: object) -> list[str]:
    rules = ValueRules(cast(Descriptor, message.DESCRIPTOR))  # type: ignore[attr-defined]
    return [".".join(found.path) for found in rules.find_invalid(message)]


def requests() -> Iterator[tuple[str, FieldDescriptor]]:
    for service in list_services():
        for rpc in rpcs_of_service(service):
            for message in list_message_types(cast(Descriptor, rpc.request_type.DESCRIPTOR)):
                if message.full_name.startswith("internshipconnect."):
                    yield from ((field.full_name, field) for field in message.fields)


def test_every_country_currency_amount_and_address_of_a_request_says_what_it_is() -> None:
    fields = dict(requests())
    assert len(fields) > 100
    for name, field in fields.items():
        declared = field.GetOptions().Extensions[options_pb2.value]
        expected = next((value for value, names in NAMES.items() if names.fullmatch(field.name)), 0)
        if field.name != "email" or not is_output_only(field):
            assert declared == expected, name


def test_wrong_values_are_found_in_lists_and_parts() -> None:
    listing = internship.Internship(
        eligibility=internship.Eligibility(work_authorisation=["DE", "UK", ""]),
        compensation=internship.Compensation(paid=True, currency="DEM", min_minor=1.5),
    )
    listing.locations.add(city="London", country="UK")
    request = internship.CreateInternshipRequest(internship=listing)
    assert sorted(wrong(request)) == [
        "internship.compensation.currency",
        "internship.compensation.min_minor",
        "internship.eligibility.work_authorisation[1]",
        "internship.eligibility.work_authorisation[2]",
        "internship.locations[0].country",
    ]


def test_what_is_absent_is_not_wrong() -> None:
    assert not wrong(internship.CreateInternshipRequest(internship=internship.Internship()))
    assert not wrong(user.SearchStudentsRequest())


def test_a_message_without_such_fields_costs_nothing() -> None:
    assert not ValueRules(user.GetMeRequest.DESCRIPTOR).is_needed
    assert not ValueRules(internship.PublishInternshipRequest.DESCRIPTOR).is_needed


def test_the_problem_says_what_to_write() -> None:
    [found] = ValueRules(user.SearchStudentsRequest.DESCRIPTOR).find_invalid(
        user.SearchStudentsRequest(country="UK")
    )
    assert found == InvalidValue(("country",), found.problem)
    assert "`GB`" in found.problem
