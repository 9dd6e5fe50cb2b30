"""The price of a plan each month: machines, disks, traffic and mails."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Final

from ops.capacity.capacity_plan import CapacityPlan, CostLine, StoreSize
from ops.capacity.tables import EgressTier, PlanTables, PriceTable

PODS_MACHINE: Final = "pods"
STORE_MACHINES: Final = {"mongod": "mongod", "search": "mongod", "redis": "redis", "rabbit": "rabbit"}


def price_plan(plan: CapacityPlan, tables: PlanTables) -> tuple[CostLine, ...]:
    """Return the lines of the bill.

    On demand, pods cost what the autoscaler runs in the mean of a month; reserved, what runs at peak.
    """
    prices, sizing = tables.prices, tables.workload.sizing
    hours, traffic = prices.hours_per_month, plan.traffic
    disks = plan.storage_bytes / 1e9 / sizing.disk_fill * sizing.members * prices.disk_per_gb_month
    out_gb = traffic.gb_per_month(traffic.out_bytes, hours)
    between_gb = traffic.gb_per_month(traffic.between_regions_bytes, hours)
    mails = plan.rates.get("mails", 0.0) * traffic.mean_to_peak * hours * 3600
    return (
        _price_pods(plan, tables),
        *(_price_store(prices, size) for size in plan.stores),
        replace(_unreserved(prices, "disks of shards", disks), is_machine=True),
        _unreserved(prices, "traffic to clients", price_egress(prices.egress_per_gb, out_gb)),
        _unreserved(prices, "traffic between regions", between_gb * prices.between_regions_per_gb),
        _unreserved(prices, "mails", mails / 1000 * prices.mail_per_1000),
    )


def price_egress(tiers: Iterable[EgressTier], gb: float) -> float:
    """Return the price of an amount, of which each tier prices its part."""
    total, priced_gb = 0.0, 0.0
    for tier in tiers:
        until = gb if tier.up_to_gb is None else min(gb, tier.up_to_gb)
        total += max(0.0, until - priced_gb) * tier.price
        priced_gb = max(priced_gb, until)
    return total


def _price_pods(plan: CapacityPlan, tables: PlanTables) -> CostLine:
    prices = tables.prices
    machine, packing = prices.machines[PODS_MACHINE], tables.workload.sizing.node_packing
    core_month = machine.per_hour / machine.cores / packing * prices.hours_per_month
    mean = sum(each.mean_pods * each.cores_per_pod for each in plan.components) * core_month
    peak = sum(each.cores for each in plan.components) * core_month
    reserved = {term: peak * part for term, part in prices.reserved.items()}
    return CostLine("pods", mean, reserved, is_machine=True)


def _price_store(prices: PriceTable, size: StoreSize) -> CostLine:
    machine = prices.machines[STORE_MACHINES[size.name]]
    price = size.nodes * machine.per_hour * prices.hours_per_month
    reserved = {term: price * part for term, part in prices.reserved.items()}
    return CostLine(size.name, price, reserved, is_machine=True)


def _unreserved(prices: PriceTable, name: str, price: float) -> CostLine:
    return CostLine(name, price, dict.fromkeys(prices.reserved, price))
