"""The role `work`: relays the outbox, handles events and runs periodic tasks."""

from functools import partial
from typing import Any

from chassis.call_context import Principal
from chassis.grpc.mesh import mesh_checks
from chassis.messaging.consumer import EventConsumers
from chassis.messaging.consumer_connection import ConsumerConnection
from chassis.messaging.publisher import EventPublisher
from chassis.messaging.relay import OutboxRelay
from chassis.messaging.topology import shuffle_brokers
from chassis.readiness import ReadinessCheck
from chassis.roles.background_tasks import BackgroundTasks
from chassis.roles.periodic_tasks import repeat_task
from chassis.service_definition import ServiceDefinition, ServiceResources
from chassis.sharding.slot_map_watch import ProcessIdentity, SlotMapWatch


class WorkRole:
    """The service's subscriptions and periodic tasks, and the relay of the service's outboxes."""

    def __init__(self, resources: ServiceResources[Any], definition: ServiceDefinition) -> None:
        amqp_url = shuffle_brokers(resources.settings.amqp_url.get_secret_value())
        self._shards = resources.shards
        self._peers = resources.peers
        self._periodics = definition.periodic_tasks
        self._principal = Principal(id=resources.name, kind="SERVICE")
        tls = resources.store_tls
        self._publisher = EventPublisher(amqp_url, tls=tls, needs_provisioning=True)
        identity = ProcessIdentity(resources.name, "work")
        self._slot_map = SlotMapWatch(resources.shards, identity)
        self._relay = OutboxRelay(resources.shards, self._publisher, holder=identity.id)
        self._consumers = (
            EventConsumers(
                amqp_url,
                definition.subscriptions,
                name=resources.name,
                connect=partial(ConsumerConnection, tls=tls),
            )
            if definition.subscriptions
            else None
        )
        self._tasks = BackgroundTasks()

    def checks(self) -> list[ReadinessCheck]:
        """Return one check: some shard answers.

        Without the broker periodic tasks go on, and events wait in the outboxes: it only degrades.
        """
        shards = [
            ReadinessCheck(f"mongo {shard.name}", shard.ping, "mongo") for shard in self._shards.all_shards()
        ]
        return [*shards, ReadinessCheck("broker", self._ping_broker), *mesh_checks(self._peers)]

    async def _ping_broker(self) -> None:
        await self._publisher.ping()
        if self._consumers is not None and not self._consumers.is_connected:
            raise ConnectionError("the consumers are not connected")

    async def start(self) -> None:
        await self._slot_map.load_newest()
        if self._consumers is not None:
            self._consumers.start()
        self._tasks.keep_running("slot map", self._slot_map.follow_shards)
        self._tasks.keep_running("outbox relay", self._relay.relay_all_shards)
        for periodic in self._periodics:
            self._tasks.keep_running(periodic.name, partial(repeat_task, periodic, self._principal))

    async def stop(self, grace_s: float) -> None:
        if self._consumers is not None:
            await self._consumers.stop(grace_s)
        await self._tasks.cancel()
        await self._publisher.close()
