"""PATCH changes exactly the fields that its body holds, at every depth, in every call that updates."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import grpc
import pytest

from chassis.contracts import imported_contracts
from devstack.journey.client import ApiError, ApiUser, Json
from devstack.journey.main_journey import sample_listing
from internshipconnect.common.v1.common_pb2 import Location
from internshipconnect.user.v1.user_pb2 import Me, Preferences, StudentProfile, UpdateMeRequest
from internshipconnect.user.v1.user_pb2_grpc import UserServiceStub
from tests.e2e.conftest import NewPerson
from tests.stack import StackHandle

STUDENT: Final[Json] = {
    "name": "Robin Doe",
    "timeZone": "Europe/Berlin",
    "locale": "de",
    "student": {
        "headline": "Second-year student",
        "summary": "Likes queues.",
        "location": {"city": "Berlin", "region": "Berlin", "country": "DE", "lat": 52.5, "lng": 13.4},
        "links": [{"label": "me", "url": "https://example.com"}],
        "education": [{"institution": "TU Berlin", "area": "Informatics"}],
        "experience": [{"organisation": "Harbour Works"}],
        "projects": [{"name": "A compiler"}],
        "skills": [{"name": "Python", "level": "SKILL_LEVEL_ADVANCED"}],
        "languages": [{"name": "German", "fluency": "native"}],
        "certificates": [{"name": "First aid"}],
        "availability": {"from": "2027-03-01", "to": "2027-09-30", "hoursPerWeek": 20},
        "workAuthorisation": ["DE", "NL"],
        "preferences": {
            "fields": ["Data"],
            "cities": ["Berlin", "Hamburg"],
            "workModes": ["WORK_MODE_REMOTE"],
            "currency": "EUR",
            "minHourlyPayMinor": 1500,
        },
        "visibility": "VISIBILITY_RECRUITERS",
        "blockedCompanyIds": ["cmp_01JD0000000000000000000000"],
    },
}
COMPANY: Final[Json] = {
    "name": "Harbour Works",
    "url": "https://harbour.example.com",
    "about": "We build things.",
    "locations": [{"city": "Hamburg", "country": "DE"}],
    "size": "COMPANY_SIZE_11_TO_50",
}
LISTING: Final[Json] = {
    **sample_listing("partial"),
    "responsibilities": ["Build"],
    "qualifications": ["Curiosity"],
    "startWindow": {"from": "2027-03-01", "to": "2027-04-01"},
    "eligibility": {
        "schoolYears": ["2"],
        "majors": ["Informatics"],
        "graduationFrom": "2028-01",
        "graduationTo": "2029-01",
        "workAuthorisation": ["DE"],
    },
    "documentsRequired": ["Transcript"],
    "externalId": "x-1",
    "blindReview": True,
}
MOVES_BY_ITSELF: Final = frozenset({"etag", "version", "updateTime", "effectiveHourlyPayMinor", "daysLeft"})
HAS_A_DEFAULT: Final = frozenset({("student", "visibility"), ("openings",), ("respondWithinDays",)})
"""Emptied, they are what they are at first."""
NOT_ALONE: Final = frozenset(
    {
        ("name",),
        ("student", "location", "lat"),
        ("student", "location", "lng"),
        ("student", "preferences", "currency"),
        ("compensation", "paid"),
    }
)
"""Emptied alone, they break a rule: they have to be there, or to fit another field."""


@dataclass(frozen=True)
class UpdateTarget:
    """One call that updates: its name, who calls, where, and everything that it may change."""

    rpc: str
    person: ApiUser
    path: str
    whole: Json


@pytest.fixture(scope="module")
def targets(new_person: NewPerson) -> Mapping[str, UpdateTarget]:
    student, owner = new_person(), new_person(company="Harbour Works")
    draft = owner.post("/api/v1/internships", title="A draft")
    begun = student.post("/api/v1/documents", kind="DOCUMENT_KIND_RESUME", name="resume.pdf")
    document = f"/api/v1/documents/{begun['document']['id']}"
    found = (
        UpdateTarget("UpdateMe", student, "/api/v1/users/me", STUDENT),
        UpdateTarget("UpdateMyCompany", owner, "/api/v1/companies/me", COMPANY),
        UpdateTarget("UpdateInternship", owner, f"/api/v1/internships/{draft['id']}", LISTING),
        UpdateTarget("UpdateDocument", student, document, {"name": "Sam's résumé.pdf"}),
    )
    return {target.rpc: target for target in found}


UPDATES: Final = sorted(
    rpc.name
    for rpc in imported_contracts().rpcs
    if "update_mask" in rpc.request_type.DESCRIPTOR.fields_by_name
)
every_update: Final = pytest.mark.parametrize("rpc", UPDATES)


def leaves(value: Json, *above: str) -> Iterator[tuple[str, ...]]:
    """Yield the path of every field that is no object."""
    for name, inner in value.items():
        if isinstance(inner, dict):
            yield from leaves(inner, *above, name)
        else:
            yield (*above, name)


def nested(path: tuple[str, ...], value: Any) -> Json:
    """Return the body that holds one field, however deep."""
    for step in reversed(path):
        value = {step: value}
    return dict(value)


def at(body: Json, path: tuple[str, ...]) -> Any:
    for step in path:
        body = body.get(step) or {}
    return body or None


def without(body: Json, *paths: tuple[str, ...]) -> Mapping[tuple[str, ...], Any]:
    """Return what a body says beside these fields and those that move with every change."""
    return {
        path: at(body, path) for path in leaves(body) if path not in paths and path[0] not in MOVES_BY_ITSELF
    }


def emptied(value: Any) -> Any:
    """Return what a client sends to clear a field of this kind."""
    if isinstance(value, list):
        return []
    if isinstance(value, str):
        return None if value.endswith("Z") or value.isupper() else ""
    return None


def refused(target: UpdateTarget, body: Json) -> str:
    with pytest.raises(ApiError) as caught:
        target.person.patch(target.path, **body)
    return caught.value.reason


def test_every_call_that_updates_is_tried_here(targets: Mapping[str, UpdateTarget]) -> None:
    assert sorted(targets) == UPDATES


@every_update
def test_each_field_alone_is_cleared_and_nothing_else_changes(
    targets: Mapping[str, UpdateTarget], rpc: str
) -> None:
    target = targets[rpc]
    before = target.person.patch(target.path, **target.whole)
    for path in leaves(target.whole):
        assert at(before, path), path
        clearing = nested(path, emptied(at(target.whole, path)))
        if path in NOT_ALONE:
            assert refused(target, clearing) == "INVALID_FIELD", path
            continue
        after = target.person.patch(target.path, **clearing)
        assert without(after, path) == without(before, path), path
        if path not in HAS_A_DEFAULT:
            assert not at(after, path) or str(at(after, path)).endswith("UNSPECIFIED"), path
        before = target.person.patch(target.path, **nested(path, at(target.whole, path)))
        assert at(before, path), path


@every_update
def test_what_was_read_can_be_sent_back_whole_and_changes_nothing(
    targets: Mapping[str, UpdateTarget], rpc: str
) -> None:
    target = targets[rpc]
    before = target.person.patch(target.path, **target.whole)
    assert without(target.person.patch(target.path, **before)) == without(before)


@every_update
def test_a_body_that_names_nothing_changes_nothing(targets: Mapping[str, UpdateTarget], rpc: str) -> None:
    target = targets[rpc]
    before = target.person.patch(target.path, **target.whole)
    objects: Json = {name: {} for name, value in target.whole.items() if isinstance(value, dict)}
    assert without(target.person.patch(target.path, **objects)) == without(before)
    assert without(target.person.patch(target.path)) == without(before)


@pytest.mark.parametrize(
    ("rpc", "path"),
    [
        ("UpdateMe", ("student", "preferences")),
        ("UpdateMe", ("student", "availability")),
        ("UpdateMe", ("student", "location")),
        ("UpdateInternship", ("compensation",)),
        ("UpdateInternship", ("eligibility",)),
        ("UpdateInternship", ("startWindow",)),
        ("UpdateInternship", ("applyDeadline",)),
    ],
)
def test_null_clears_a_whole_object(
    targets: Mapping[str, UpdateTarget], rpc: str, path: tuple[str, ...]
) -> None:
    target = targets[rpc]
    before = target.person.patch(target.path, **target.whole)
    after = target.person.patch(target.path, **nested(path, None))
    assert not at(after, path)
    gone = tuple(leaf for leaf in leaves(before) if leaf[: len(path)] == path)
    assert without(after, *gone) == without(before, *gone)


def test_both_spellings_of_a_field_are_understood(targets: Mapping[str, UpdateTarget]) -> None:
    target = targets["UpdateMe"]
    body = {
        "time_zone": "Asia/Tokyo",
        "student": {"work_authorisation": ["JP"], "preferences": {"min_hourly_pay_minor": 0}},
    }
    target.person.patch(target.path, **target.whole)
    after = target.person.patch(target.path, **body)
    assert (after["timeZone"], after["student"]["workAuthorisation"]) == ("Asia/Tokyo", ["JP"])
    assert after["student"]["preferences"]["minHourlyPayMinor"] == 0
    assert after["student"]["preferences"]["currency"] == "EUR"


def test_a_mask_that_is_given_is_exact(targets: Mapping[str, UpdateTarget]) -> None:
    target = targets["UpdateMe"]
    target.person.patch(target.path, **target.whole)
    body = {"student": {"headline": "Another", "summary": "ignored", "preferences": {"currency": "USD"}}}
    after = target.person.call(
        "PATCH", target.path, body=body, parameters={"updateMask": "student.headline,student.preferences"}
    )
    assert (after["student"]["headline"], after["student"]["summary"]) == ("Another", "Likes queues.")
    assert after["student"]["preferences"]["currency"] == "USD"
    assert after["student"]["preferences"]["cities"] == []


def test_an_empty_mask_is_none(targets: Mapping[str, UpdateTarget]) -> None:
    target = targets["UpdateMe"]
    before = target.person.patch(target.path, **target.whole)
    after = target.person.call(
        "PATCH", target.path, body={"student": {"headline": ""}}, parameters={"updateMask": ""}
    )
    headline = ("student", "headline")
    assert (at(after, headline), without(after, headline)) == (None, without(before, headline))


def test_a_mask_that_names_read_only_fields_is_refused_even_if_said_to_come_from_the_body(
    targets: Mapping[str, UpdateTarget],
) -> None:
    target = targets["UpdateMe"]
    with pytest.raises(ApiError) as refused:
        target.person.call("PATCH", target.path, body={"id": "x"}, parameters={"updateMask": "id"})
    assert refused.value.reason == "INVALID_FIELD"


@pytest.fixture
def update_me(stack: StackHandle, targets: Mapping[str, UpdateTarget]) -> Iterator[Callable[..., Me]]:
    token = targets["UpdateMe"].person.access_token
    with grpc.insecure_channel(stack.gateway_url.partition("//")[2]) as channel:
        stub: Any = UserServiceStub(channel)

        def update(me: Me, *paths: str) -> Me:
            request = UpdateMeRequest(me=me)
            request.update_mask.paths.extend(paths)
            answer: Me = stub.UpdateMe(request, timeout=5, metadata=(("authorization", f"Bearer {token}"),))
            return answer

        yield update


def test_a_grpc_caller_changes_what_the_message_holds_or_what_the_mask_names(
    targets: Mapping[str, UpdateTarget], update_me: Callable[..., Me]
) -> None:
    target = targets["UpdateMe"]
    target.person.patch(target.path, **target.whole)
    held = StudentProfile(preferences=Preferences(currency="USD"), location=Location(lat=0.0))
    after = update_me(Me(student=held))
    assert (after.student.preferences.currency, after.student.location.lat) == ("USD", 0.0)
    assert (list(after.student.preferences.cities), after.student.location.city) == (
        ["Berlin", "Hamburg"],
        "Berlin",
    )
    cleared = update_me(Me(), "student.preferences.cities", "student.headline")
    assert (list(cleared.student.preferences.cities), cleared.student.headline) == ([], "")
    assert cleared.student.preferences.currency == "USD"
