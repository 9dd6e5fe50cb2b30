from redis.asyncio.cluster import RedisCluster

from chassis.clock import FixedClock
from services.auth.repository import COLLECTIONS
from tests.databases import own_databases
from tests.integration.auth.conftest import PASSWORD, build_auth_harness
from tests.stack import StackHandle
from tests.targeting import TargetedQueryGuard


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
