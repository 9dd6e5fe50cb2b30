from chassis.ids import slot_of
from chassis.sharding.shards import Shards
from internshipconnect.user.v1 import user_pb2 as pb
from tests.integration.user.conftest import NO_CONTEXT, UserHarness, an_owner
from tests.targeting import TargetedQueryGuard


async def test_only_the_search_for_students_goes_to_several_shards(
    users: UserHarness, guard: TargetedQueryGuard
) -> None:
    for number in range(6):
        with guard.operation(f"student {number}"):
            student = await users.found_student(f"S{number}")
            await users.get_me(student)
            await users.api.GetStudentSnapshot(
                pb.GetStudentSnapshotRequest(student_id=student.id), NO_CONTEXT
            )
        with guard.operation(f"owner {number}"):
            owner = an_owner()
            await users.registered(owner, "Ada", "Acme")
            await users.api.GetCompany(pb.GetCompanyRequest(company_id=owner.org), NO_CONTEXT)
            await users.names(owner)
        with guard.operation(f"look {number}"):
            await users.open_student(owner, student)
            await users.accesses(student)
    guard.check()


async def test_a_profile_and_how_it_is_found_live_in_the_users_slot(
    users: UserHarness, shards: Shards
) -> None:
    student = await users.found_student("Ada")
    for collection in ("profiles", "student_search"):
        found = await shards.shard_for(student.id).db[collection].find_one({"_id": student.id})
        assert found is not None
        assert found["slot"] == slot_of(student.id)
