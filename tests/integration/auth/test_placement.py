from dataclasses import replace

from redis.asyncio.cluster import RedisCluster

from chassis.clock import FixedClock
from chassis.ids import slot_of
from services.auth.repository import COLLECTIONS
from tests.databases import own_databases
from tests.integration.auth.conftest import PASSWORD, build_auth_harness
from tests.stack import StackHandle
from tests.targeting import TargetedQueryGuard


async def test_a_new_user_and_their_company_live_in_the_region_where_they_register(
    stack: StackHandle, redis: RedisCluster, clock: FixedClock
) -> None:
    async with own_databases(stack, "auth", COLLECTIONS, clock=clock) as shards:
        names = list(shards.slot_map.uris)
        regions = {name: f"region-{number}" for number, name in enumerate(names)}
        shards.apply_slot_map(replace(shards.slot_map, regions=regions), {})
        for name, region in regions.items():
            auth = build_auth_harness(shards, redis, clock, bytes(32), region=region)
            for number in range(5):
                address = f"{region}-{number}@campus.test"
                user_id = await auth.register(address, company="Lighthouse")
                code = (await auth.codes(user_id))[-1]
                account = (await auth.registration.verify_email(address, code)).account
                for id_ in (account.id, account.holder.company_id):
                    assert shards.slot_map.shard_name(slot_of(id_)) == name
            await auth.hasher.close()


async def test_no_query_of_a_sign_in_goes_to_several_shards(
    stack: StackHandle, redis: RedisCluster, clock: FixedClock
) -> None:
    guard = TargetedQueryGuard()
    async with own_databases(stack, "auth", COLLECTIONS, clock=clock, listeners=[guard]) as shards:
        auth = build_auth_harness(shards, redis, clock, bytes(32))
        for email in (f"{number}@campus.test" for number in range(6)):
            with guard.operation(email):
                await auth.verified(email)
                signed_in = await auth.sign_in.login(email, PASSWORD)
                renewed = await auth.sign_in.refresh(signed_in.refresh_token)
                await auth.sign_in.logout(renewed.refresh_token.partition(".")[0])
                await auth.register(email)
        await auth.hasher.close()
    guard.check()
