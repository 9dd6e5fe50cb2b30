import pytest
from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.timestamp_pb2 import Timestamp

from chassis.call_context import CallContext, bind_call
from chassis.errors import DomainError
from chassis.field_masks import MASK_SOURCE_BODY, MASK_SOURCE_METADATA_KEY, apply_mask, changed_paths
from internshipconnect.common.v1.common_pb2 import Location, Skill
from internshipconnect.internship.v1.internship_pb2 import Internship
from internshipconnect.user.v1.user_pb2 import Me, StudentProfile

WRITABLE = frozenset({"name", "locale", "student.headline", "student.location", "student.skills"})


def changed(me: Me, *paths: str) -> tuple[str, ...]:
    return changed_paths(me, FieldMask(paths=paths), writable=WRITABLE)


def violations(*paths: str) -> list[str]:
    with pytest.raises(DomainError) as failure:
        changed(Me(), *paths)
    assert failure.value.reason == "INVALID_FIELD"
    assert {violation.field for violation in failure.value.violations} == {"updateMask"}
    return [violation.description for violation in failure.value.violations]


def test_without_a_mask_what_the_message_holds_is_changed_each_at_its_own_depth() -> None:
    me = Me(name="Ada", student=StudentProfile(headline="Physicist", location=Location(city="Bern")))
    assert changed(me) == ("name", "student.headline", "student.location.city")


def test_without_a_mask_an_optional_field_is_held_when_it_is_zero() -> None:
    me = Me(student=StudentProfile(location=Location(lat=0.0)))
    assert changed(me) == ("student.location.lat",)


def test_without_a_mask_a_list_is_one_field_and_an_empty_message_holds_nothing() -> None:
    me = Me(student=StudentProfile(skills=[Skill(name="C")], location=Location()))
    assert changed(me) == ("student.skills",)


def test_without_a_mask_a_message_of_googles_is_one_value() -> None:
    listing = Internship(apply_deadline=Timestamp(seconds=5))
    assert changed_paths(listing, FieldMask(), writable={"apply_deadline"}) == ("apply_deadline",)


def _from_body(me: Me, *paths: str) -> tuple[str, ...]:
    bind_call(CallContext(metadata={MASK_SOURCE_METADATA_KEY: MASK_SOURCE_BODY}))
    try:
        return changed(me, *paths)
    finally:
        bind_call(CallContext())


def test_what_a_body_held_empty_is_changed_and_what_is_read_only_passes() -> None:
    assert _from_body(Me(), "name", "id", "etag", "student.location.city") == (
        "name",
        "student.location.city",
    )


def test_a_body_that_held_nothing_changes_nothing() -> None:
    assert _from_body(Me(student=StudentProfile(location=Location()))) == ()


def test_null_for_a_parent_clears_all_of_its_units() -> None:
    assert _from_body(Me(), "student") == ("student.headline", "student.location", "student.skills")


def test_a_forged_claim_that_a_mask_came_from_a_body_gains_nothing() -> None:
    with pytest.raises(DomainError):
        _from_body(Me(), "student.location.nickname")


def test_without_a_mask_read_only_fields_in_the_body_are_ignored() -> None:
    assert changed(Me(id="usr_x", etag="e", name="Ada")) == ("name",)


def test_a_mask_may_name_a_field_that_the_body_does_not_hold() -> None:
    assert changed(Me(), "locale") == ("locale",)


def test_a_parent_in_the_mask_stands_for_all_of_its_units() -> None:
    assert changed(Me(), "student") == ("student.headline", "student.location", "student.skills")


def test_a_mask_may_name_a_part_of_a_unit() -> None:
    assert changed(Me(), "student.location.city") == ("student.location.city",)


def test_a_path_below_another_named_one_is_not_named_twice() -> None:
    assert changed(Me(), "student.location.city", "student.location", "student") == (
        "student.headline",
        "student.location",
        "student.skills",
    )


@pytest.mark.parametrize(
    "path", ["nickname", "student.nickname", "student.skills.name", "name.first", "", "."]
)
def test_an_unknown_path_is_refused_by_name(path: str) -> None:
    assert violations(path) == [f"there is no field `{path}`"]


def test_each_wrong_path_is_named_at_once() -> None:
    assert violations("id", "nickname", "email") == [
        "`id` is read-only",
        "there is no field `nickname`",
        "`email` is read-only",
    ]


def test_applying_copies_only_the_named_paths() -> None:
    target = Me(name="Ada", locale="en")
    apply_mask(target, Me(name="Grace", locale="de"), ["name"])
    assert target == Me(name="Grace", locale="en")


def test_applying_a_path_that_the_source_does_not_hold_clears_it() -> None:
    target = Me(name="Ada", student=StudentProfile(headline="x", location=Location(city="Bern", lat=0.0)))
    apply_mask(target, Me(), ["name", "student.headline", "student.location.lat"])
    assert target == Me(student=StudentProfile(location=Location(city="Bern")))


def test_applying_replaces_a_list_as_a_whole() -> None:
    target = Me(student=StudentProfile(skills=[Skill(name="C"), Skill(name="Go")]))
    apply_mask(target, Me(student=StudentProfile(skills=[Skill(name="Rust")])), ["student.skills"])
    assert [skill.name for skill in target.student.skills] == ["Rust"]


def test_applying_replaces_a_message_unit_as_a_whole() -> None:
    target = Me(student=StudentProfile(location=Location(city="Munich", region="Bavaria")))
    apply_mask(target, Me(student=StudentProfile(location=Location(city="Berlin"))), ["student.location"])
    assert target.student.location == Location(city="Berlin")


def test_applying_an_empty_but_present_message_keeps_its_presence() -> None:
    target = Me(student=StudentProfile(location=Location(city="Munich")))
    apply_mask(target, Me(student=StudentProfile(location=Location())), ["student.location"])
    assert target.student.HasField("location")
    assert target.student.location == Location()


def test_applying_an_absent_optional_zero_differs_from_a_present_one() -> None:
    target = Me()
    apply_mask(target, Me(student=StudentProfile(location=Location(lat=0.0))), ["student.location"])
    assert target.student.location.HasField("lat")
    assert not target.student.location.HasField("lng")


def test_clearing_a_nested_path_does_not_create_its_parent() -> None:
    target = Me()
    apply_mask(target, Me(), ["student.headline"])
    assert not target.HasField("student")


def test_applying_an_unknown_path_is_a_programming_error() -> None:
    with pytest.raises(ValueError, match="no field nickname"):
        apply_mask(Me(), Me(), ["nickname"])
