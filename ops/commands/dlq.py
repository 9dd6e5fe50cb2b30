"""`ic dlq`: list, show, replay or drop events that queues gave up on."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Annotated, Any, Final

import typer
from amqp.exceptions import AMQPError
from rich.markup import escape
from rich.table import Table

from chassis.messaging.dead_letters import (
    MAX_LOADED_MESSAGES,
    DeadLetterMessage,
    DeadLetterQueues,
    DeadLetterSummary,
)
from ops.cluster import Cluster
from ops.console import console
from ops.errors import OpsError
from ops.options import DEFAULT_STACK, AsJson, StackName, open_chosen_cluster
from ops.printable import printable
from ops.progress import StepProgress
from ops.provision import queue_names

DEAD_SUFFIX: Final = ".dead"

QueueArgument = Annotated[str, typer.Argument(metavar="QUEUE", help="As in `ic dlq list`.")]
EventIdsArgument = Annotated[
    list[str] | None, typer.Argument(metavar="[EVENT_ID...]", help="As in `ic dlq show`.")
]
AllOption = Annotated[bool, typer.Option("--all", help="All that lie there now.")]


def register(app: typer.Typer) -> None:
    """Add `ic dlq`."""
    dlq = typer.Typer(help="List, show, replay or drop events that queues gave up on.", no_args_is_help=True)
    dlq.command("list")(list_queues)
    dlq.command("show")(show)
    dlq.command("replay")(replay)
    dlq.command("drop")(drop)
    app.add_typer(dlq, name="dlq")


def list_queues(stack: StackName = DEFAULT_STACK, as_json: AsJson = False) -> None:
    """Show how many dead letters each queue has, of which types, and since when."""
    cluster = open_chosen_cluster(stack)
    with _dead_letters(cluster) as letters:
        found = letters.summarize(queue_names(cluster.services))
    if as_json:
        print(json.dumps({"stack": cluster.name, "queues": [summary_json(each) for each in found]}, indent=2))
        return
    filled = [each for each in found if each.count]
    console.print(_queues_table(filled) if filled else f"no dead letters in {cluster}")


def show(
    queue: QueueArgument,
    limit: Annotated[int, typer.Option("-n", "--limit", min=1, max=1000, help="At most so many.")] = 20,
    stack: StackName = DEFAULT_STACK,
    as_json: AsJson = False,
) -> None:
    """Show the oldest dead letters of a queue: what they are, and why they died. Changes nothing."""
    name = require_queue(queue)
    with _dead_letters(open_chosen_cluster(stack)) as letters:
        found = letters.peek(name, limit)
    if as_json:
        print(json.dumps({"queue": name, "letters": [letter_json(each) for each in found]}, indent=2))
        return
    for letter in found:
        console.print(letter_text(letter), soft_wrap=True)
    if not found:
        console.print(f"no dead letters of '{name}'")


def replay(
    queue: QueueArgument,
    event_ids: EventIdsArgument = None,
    every: AllOption = False,
    stack: StackName = DEFAULT_STACK,
) -> None:
    """Give dead letters back to their queue, to be tried as often as new events."""
    name, wanted = require_queue(queue), selected_event_ids(event_ids, every=every)
    with (
        _dead_letters(open_chosen_cluster(stack)) as letters,
        StepProgress().step(f"replay to {name}") as detail,
    ):
        done = letters.replay(
            name, lambda letter: _is_selected(wanted, letter), lambda done: detail(f"{done:,} given back")
        )
    _print_count(name, done, "given back", wanted)


def drop(
    queue: QueueArgument,
    event_ids: EventIdsArgument = None,
    every: AllOption = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    stack: StackName = DEFAULT_STACK,
) -> None:
    """Remove dead letters for good."""
    name, wanted = require_queue(queue), selected_event_ids(event_ids, every=every)
    what = "all dead letters" if wanted is None else f"{len(wanted)} dead letters"
    with _dead_letters(open_chosen_cluster(stack)) as letters:
        if not yes:
            typer.confirm(f"Drop {what} of '{name}' for good?", abort=True)
        done = letters.delete(name, lambda letter: _is_selected(wanted, letter))
    _print_count(name, done, "dropped", wanted)


def require_queue(queue: str) -> str:
    """Return the name of the work queue, given that or the name of its dead-letter queue.

    Raises:
        OpsError: there is no such queue.
    """
    name, names = queue.removesuffix(DEAD_SUFFIX), queue_names()
    if name not in names:
        raise OpsError(f"there is no queue '{queue}'; there are {', '.join(names)}")
    return name


def selected_event_ids(event_ids: list[str] | None, *, every: bool) -> frozenset[str] | None:
    """Return the requested event IDs; None for all. Raises OpsError unless one of the two is given."""
    if bool(event_ids) == every:
        raise OpsError("say which dead letters: event IDs as in `ic dlq show`, or --all")
    return None if every else frozenset(event_ids or ())


def _is_selected(wanted: frozenset[str] | None, letter: DeadLetterMessage) -> bool:
    return wanted is None or letter.id in wanted


def _print_count(queue: str, done: int, what: str, wanted: frozenset[str] | None) -> None:
    if wanted and not done:
        raise OpsError(f"'{queue}' has no dead letters of these IDs; see: ic dlq show {queue}")
    console.print(f"{done:,} dead letters of '{queue}' {what}")


@contextmanager
def _dead_letters(cluster: Cluster) -> Iterator[DeadLetterQueues]:
    try:
        yield DeadLetterQueues(cluster.amqp_url, cluster.store_tls)
    except (AMQPError, OSError) as error:
        hint = f"; {cluster.status_hint}" if cluster.status_hint else ""
        raise OpsError(f"the broker of {cluster} does not do it: {error}{hint}") from error


def _queues_table(found: list[DeadLetterSummary]) -> Table:
    table = Table(box=None, pad_edge=False)
    for name in ("queue", "count", "oldest", "events"):
        table.add_column(name, justify="right" if name == "count" else "left")
    for each in found:
        types = ", ".join(f"{count:,} {type_}" for type_, count in each.types.most_common())
        more = f" [dim]of the first {MAX_LOADED_MESSAGES:,}[/]" if each.count > MAX_LOADED_MESSAGES else ""
        table.add_row(each.queue, f"{each.count:,}", _format_time(each.oldest), escape(types) + more)
    return table


def summary_json(summary: DeadLetterSummary) -> dict[str, Any]:
    """Return a queue's dead letters as JSON."""
    oldest = summary.oldest and summary.oldest.isoformat()
    return {"queue": summary.queue, "count": summary.count, "oldest": oldest, "events": dict(summary.types)}


def letter_json(letter: DeadLetterMessage) -> dict[str, Any]:
    """Return a dead letter as JSON; `payload` is null when it is unreadable."""
    event = letter.event
    return {
        "id": letter.id,
        "type": letter.type,
        "subject": event.subject if event else "",
        "time": letter.time and letter.time.isoformat(),
        "error": letter.error,
        "attempts": letter.attempts,
        "first_failure": letter.first_failed_at and letter.first_failed_at.isoformat(),
        "trace_id": letter.trace_id,
        "payload": letter.payload,
    }


def letter_text(letter: DeadLetterMessage) -> str:
    """Return a dead letter as text, with markup."""
    fields = letter_json(letter)
    payload = "unreadable" if letter.payload is None else json.dumps(letter.payload, ensure_ascii=False)
    lines = {
        "about": fields["subject"] or "-",
        "time": _format_time(letter.time),
        "error": f"{letter.error or '-'} (attempt {letter.attempts})",
        "first failed": _format_time(letter.first_failed_at),
        "trace": letter.trace_id or "-",
        "payload": payload,
    }
    id_, type_ = printable(letter.id or "without an ID"), printable(letter.type or "no event")
    head = f"[bold]{escape(id_)}[/] {escape(type_)}"
    return "\n".join(
        [head, *(f"  [dim]{name:12}[/] {escape(printable(str(value)))}" for name, value in lines.items())]
    )


def _format_time(moment: datetime | None) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S") if moment else "-"
