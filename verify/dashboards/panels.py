"""The panels of every dashboard, as a table; `build` makes Grafana's JSON of it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from ops.service_names import SERVICES

SECONDS, PER_SECOND, SHARE, COUNT, BYTES, TIMES = "s", "ops", "percentunit", "short", "bytes", "none"
"""Units, as Grafana names them."""
_RATE: Final = "[$__rate_interval]"
_HITS: Final = f"sum by (cache_type) (rate(cache_hits_total{_RATE}))"


@dataclass(frozen=True)
class PanelQuery:
    """An expression, and the legend of its series."""

    expression: str
    legend: str


@dataclass(frozen=True)
class PanelSpec:
    """One panel; `empty_because` says why a healthy stack may have no series for it."""

    title: str
    description: str
    unit: str
    queries: tuple[PanelQuery, ...]
    width: int = 12
    empty_because: str = ""


@dataclass(frozen=True)
class DashboardSpec:
    """One dashboard: rows of panels by the row's title; `uid` is its file's name, too."""

    uid: str
    title: str
    description: str
    rows: Mapping[str, tuple[PanelSpec, ...]]


def _panel(
    title: str,
    description: str,
    unit: str,
    *queries: tuple[str, str],
    width: int = 12,
    empty_because: str = "",
) -> PanelSpec:
    found = tuple(PanelQuery(expression, legend) for expression, legend in queries)
    return PanelSpec(title, description, unit, found, width, empty_because)


def list_dashboards() -> Iterator[DashboardSpec]:
    """Yield every dashboard."""
    yield _overview()
    yield from map(_service, SERVICES)
    yield _gateway()
    yield _stores()
    yield _messaging()


def _overview() -> DashboardSpec:
    return DashboardSpec(
        "internshipconnect-overview",
        "InternshipConnect: objectives",
        "What is left of each error budget, and what fires.",
        {
            "Objectives": (
                _panel(
                    "Budget left",
                    "The share of each error budget that is left over 30 days; below 0 it is overdrawn.",
                    SHARE,
                    ("1 - slo:burn_rate:30d", "{{objective}} {{service}} {{class}}"),
                ),
                _panel(
                    "Burn rate, 1 h",
                    "How many times as fast as it may a budget burns. 14.4 pages, as does 6 over six hours.",
                    TIMES,
                    ("slo:burn_rate:1h", "{{objective}} {{service}} {{class}}"),
                ),
            ),
            "Now": (
                _panel(
                    "Alerts",
                    "The alerts that fire.",
                    COUNT,
                    (
                        'sum by (alertname, severity) (ALERTS{alertstate="firing"})',
                        "{{severity}} {{alertname}}",
                    ),
                    empty_because="on a healthy system none fires",
                ),
                _panel(
                    "Processes",
                    "Processes that answer on their ops port, by component.",
                    COUNT,
                    ("sum by (job) (up)", "{{job}}"),
                ),
                _panel(
                    "Requests",
                    "Requests at the gateway, by class of status.",
                    PER_SECOND,
                    (
                        "sum by (status) (label_replace(rate(http_requests_total" + _RATE + '), "status", '
                        '"${1}xx", "status_code", "(.).."))',
                        "{{status}}",
                    ),
                ),
                _panel(
                    "Calls that fail",
                    "Calls that a service answers with a fault of its own.",
                    PER_SECOND,
                    ('sum by (service) (slo:bad:rate5m{objective="availability"})', "{{service}}"),
                ),
            ),
        },
    )


def _service(name: str) -> DashboardSpec:
    serve, work = f'job="{name}-serve"', f'job="{name}-work"'
    jobs = f'job=~"{name}-(serve|work)"'
    rows = {
        "Calls": (
            _panel(
                "Calls",
                "Answered calls by method.",
                PER_SECOND,
                (
                    f"sum by (grpc_method) (rate(grpc_server_handled_total{{{serve}}}{_RATE}))",
                    "{{grpc_method}}",
                ),
            ),
            _panel(
                "Answers that are no success",
                "By status. NOT_FOUND and the like are the callers'; INTERNAL and UNAVAILABLE are ours.",
                PER_SECOND,
                (
                    "sum by (grpc_code) "
                    f'(rate(grpc_server_handled_total{{{serve}, grpc_code!="OK"}}{_RATE}))',
                    "{{grpc_code}}",
                ),
            ),
            _panel(
                "Duration, 99th percentile",
                "From the arrival of a call to its answer; the objective is 0.1 s.",
                SECONDS,
                (
                    "histogram_quantile(0.99, sum by (le, grpc_method) "
                    f"(rate(grpc_server_handling_seconds_bucket{{{serve}}}{_RATE})))",
                    "{{grpc_method}}",
                ),
            ),
            _panel(
                "In flight",
                "Calls that are being answered.",
                COUNT,
                (f"grpc_server_in_flight{{{serve}}}", "{{process}}"),
            ),
            _panel(
                "Limit of calls in flight",
                "How many calls a process admits; it falls when the event loop falls behind.",
                COUNT,
                (f"grpc_server_admission_limit{{{serve}}}", "{{process}}"),
                empty_because="a process that has answered no call yet has no limit",
            ),
        ),
        "What it needs": (
            _panel(
                "Commands to MongoDB, 95th percentile",
                "From a command to its answer, as the caller waits.",
                SECONDS,
                (
                    "histogram_quantile(0.95, sum by (le, operation, collection) "
                    f"(rate(database_query_duration_seconds_bucket{{{jobs}}}{_RATE})))",
                    "{{operation}} {{collection}}",
                ),
            ),
            _panel(
                "Dependencies",
                "1 while a dependency answers the check of /ready.",
                COUNT,
                (f"min by (job, dependency) (readiness_check_up{{{jobs}}})", "{{job}} {{dependency}}"),
            ),
            _panel(
                "Outbox",
                "The age of the oldest event that waits to be sent.",
                SECONDS,
                (f"max by (shard) (outbox_lag_seconds{{{work}}})", "{{shard}}"),
            ),
            _panel(
                "Memory",
                "Resident memory of each process.",
                BYTES,
                (f"process_resident_memory_bytes{{{jobs}}}", "{{process}}"),
            ),
        ),
    }
    return DashboardSpec(
        f"internshipconnect-{name}", f"InternshipConnect: {name}", f"The service {name} in both roles.", rows
    )


def _gateway() -> DashboardSpec:
    quantile = "histogram_quantile(0.99, sum by (le, method, route) (rate("
    return DashboardSpec(
        "internshipconnect-gateway",
        "InternshipConnect: gateway and edge",
        "Envoy, its cache, the rate limiter and the control plane.",
        {
            "Requests": (
                _panel(
                    "Requests by route",
                    "Requests by the route of the contract; `other` matches none.",
                    PER_SECOND,
                    (f"sum by (method, route) (rate(http_requests_total{_RATE}))", "{{method}} {{route}}"),
                ),
                _panel(
                    "Duration, 99th percentile",
                    "From the arrival of a request to the end of its answer.",
                    SECONDS,
                    (
                        f"{quantile}http_request_duration_seconds_bucket{_RATE})))",
                        "{{method}} {{route}}",
                    ),
                ),
                _panel(
                    "Answers by status",
                    "429 is the rate limiter's, 5xx is ours.",
                    PER_SECOND,
                    (f"sum by (status_code) (rate(http_requests_total{_RATE}))", "{{status_code}}"),
                ),
                _panel(
                    "Connections",
                    "Open connections of clients.",
                    COUNT,
                    ("active_connections", "{{process}}"),
                ),
            ),
            "Limits and configuration": (
                _panel(
                    "Hits beyond a limit",
                    "Hits that the rate limiter refused, by rule.",
                    PER_SECOND,
                    (f"sum by (rule) (rate(ratelimit_over_limit_total{_RATE}))", "{{rule}}"),
                ),
                _panel(
                    "Endpoints",
                    "Endpoints that calls are sent to.",
                    COUNT,
                    ("sum by (service, region) (xds_endpoints)", "{{service}} {{region}}"),
                ),
                _panel(
                    "Refused configuration",
                    "Configurations that a node has refused; it keeps the former one.",
                    COUNT,
                    ("sum by (node_group, type) (increase(xds_nacks_total[1h]))", "{{node_group}} {{type}}"),
                ),
                _panel("Nodes", "Streams of connected nodes.", COUNT, ("xds_streams", "{{node_group}}")),
            ),
        },
    )


def _stores() -> DashboardSpec:
    return DashboardSpec(
        "internshipconnect-stores",
        "InternshipConnect: stores",
        "MongoDB's shards and Redis, as the services see them.",
        {
            "MongoDB": (
                _panel(
                    "Commands",
                    "Commands by operation.",
                    PER_SECOND,
                    (
                        f"sum by (operation) (rate(database_query_duration_seconds_count{_RATE}))",
                        "{{operation}}",
                    ),
                ),
                _panel(
                    "Commands, 95th percentile",
                    "From a command to its answer, as the caller waits.",
                    SECONDS,
                    (
                        "histogram_quantile(0.95, sum by (le, operation) "
                        f"(rate(database_query_duration_seconds_bucket{_RATE})))",
                        "{{operation}}",
                    ),
                ),
                _panel(
                    "Versions of the slot map",
                    "The oldest and the newest version that a process uses; they differ for seconds only.",
                    COUNT,
                    ("min(slot_map_version)", "oldest"),
                    ("max(slot_map_version)", "newest"),
                ),
                _panel(
                    "Lease on a shard",
                    "Seconds for which the process closest to its end may still write without confirming.",
                    SECONDS,
                    ("min by (shard) (slot_map_lease_seconds)", "{{shard}}"),
                ),
            ),
            "Redis and circuits": (
                _panel(
                    "Hits of caches",
                    "The share of reads that a cache answers.",
                    SHARE,
                    (
                        f"{_HITS} / ({_HITS} + sum by (cache_type) (rate(cache_misses_total{_RATE})))",
                        "{{cache_type}}",
                    ),
                ),
                _panel(
                    "Open circuits",
                    "Dependencies that a process does not reach: 2 is open.",
                    COUNT,
                    ("max by (dependency) (breaker_state)", "{{dependency}}"),
                ),
                _panel(
                    "Local copies",
                    "1 while invalidations of a Redis node arrive.",
                    COUNT,
                    ("min by (node) (cache_tracking)", "{{node}}"),
                ),
                _panel(
                    "Lost updates",
                    "Attempts to change an aggregate that lost to another change, and are repeated.",
                    PER_SECOND,
                    (
                        f'sum by (collection) (rate(repository_updates_total{{outcome="lost"}}{_RATE}))',
                        "{{collection}}",
                    ),
                    empty_because="nobody changes the same aggregate at the same time",
                ),
            ),
        },
    )


def _messaging() -> DashboardSpec:
    return DashboardSpec(
        "internshipconnect-messaging",
        "InternshipConnect: events and mails",
        "From the outbox through the broker to the handler, and the mails.",
        {
            "Events": (
                _panel(
                    "Messages that wait",
                    "By queue; what lies in a `.dead` one had all its tries.",
                    COUNT,
                    ("max by (queue) (queue_messages)", "{{queue}}"),
                ),
                _panel(
                    "Outboxes",
                    "The age of the oldest event that waits to be sent, by service.",
                    SECONDS,
                    ("max by (job) (outbox_lag_seconds)", "{{job}}"),
                ),
                _panel(
                    "Age of events, 99th percentile",
                    "From the change to the end of its handling.",
                    SECONDS,
                    (
                        "histogram_quantile(0.99, sum by (le, queue) "
                        f"(rate(events_age_seconds_bucket{_RATE})))",
                        "{{queue}}",
                    ),
                ),
                _panel(
                    "Events that are not handled",
                    "Failed ones are tried again, buried and unreadable ones are dead letters.",
                    PER_SECOND,
                    (
                        "sum by (queue, outcome) (rate(events_handled_total"
                        f'{{outcome=~"failed|buried|unreadable"}}{_RATE}))',
                        "{{queue}} {{outcome}}",
                    ),
                ),
            ),
            "Mails and broker": (
                _panel(
                    "Attempts to send mails",
                    "By the state that the mail has then.",
                    PER_SECOND,
                    (
                        f"sum by (outcome) (rate(notification_mail_attempts_total{_RATE}))",
                        "{{outcome}}",
                    ),
                ),
                _panel(
                    "Mails, 99th percentile",
                    "From the creation of a mail to its acceptance by the mail server.",
                    SECONDS,
                    (
                        "histogram_quantile(0.99, sum by (le) "
                        f"(rate(notification_mail_delay_seconds_bucket{_RATE})))",
                        "99th percentile",
                    ),
                ),
                _panel(
                    "Connected workers",
                    "1 while a worker has a connection to the broker.",
                    COUNT,
                    ("broker_connected", "{{process}}"),
                ),
                _panel(
                    "Broker's memory",
                    "Memory that RabbitMQ uses; above its limit it takes no more messages.",
                    BYTES,
                    ("rabbitmq_process_resident_memory_bytes", "used"),
                    ("rabbitmq_resident_memory_limit_bytes", "limit"),
                    empty_because="only where RabbitMQ's prometheus plugin is scraped",
                ),
            ),
        },
    )
