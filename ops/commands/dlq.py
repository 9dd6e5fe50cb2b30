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

from chassis.messaging.dead_letters import MOST_AT_ONCE, DeadLetter, DeadLetters, Summary
from ops.console import console
from ops.errors import OpsError
from ops.options import AsJson, StackName
from ops.printable import printable
from ops.stack import lifecycle, topology
from ops.stack.credentials import Credentials
from ops.stack.provision import queue_names
from ops.stack.steps import Steps
from ops.stack.topology import DEFAULT_STACK

DEAD_SUFFIX: Final = ".dead"

QueueName = Annotated[str, typer.Argument(metavar="QUEUE", help="As in `ic dlq list`.")]
EventIds = Annotated[list[str] | None, typer.Argument(metavar="[EVENT_ID...]", help="As in `ic dlq show`.")]
All = Annotated[bool, typer.Option("--all", help="All that lie there now.")]


def register(app: typer.Typer) -> None:
    """Adds `ic dlq`."""
    dlq = typer.Typer(help="List, show, replay or drop events that queues gave up on.", no_args_is_help=True)
    dlq.command("list")(list_queues)
    dlq.command("show")(show)
    dlq.command("replay")(replay)
    dlq.command("drop")(drop)
    app.add_typer(dlq, name="dlq")


def list_queues(stack: StackName = DEFAULT_STACK, as_json: AsJson = False) -> None:
    """Show how many dead letters each queue has, of which types, and since when."""
    with _dead_letters(stack) as letters:
        found = letters.summaries(queue_names())
    if as_json:
        print(json.dumps({"stack": stack, "queues": [summary_json(each) for each in found]}, indent=2))
        return
    filled = [each for each in found if each.count]
    console.print(_queues_table(filled) if filled else f"no dead letters in the stack '{stack}'")


def show(
    queue: QueueName,
    limit: Annotated[int, typer.Option("-n", "--limit", min=1, max=1000, help="At most so many.")] = 20,
    stack: StackName = DEFAULT_STACK,
    as_json: AsJson = False,
) -> None:
    """Show the oldest dead letters of a queue: what they are, and why they died. Changes nothing."""
    name = known(queue)
    with _dead_letters(stack) as letters:
        found = letters.look(name, limit)
    if as_json:
        print(json.dumps({"queue": name, "letters": [letter_json(each) for each in found]}, indent=2))
        return
    for letter in found:
        console.print(letter_text(letter), soft_wrap=True)
    if not found:
        console.print(f"no dead letters of '{name}'")


def replay(
    queue: QueueName, event_ids: EventIds = None, every: All = False, stack: StackName = DEFAULT_STACK
) -> None:
    """Give dead letters back to their queue, with all their attempts anew."""
    name, wanted = known(queue), chosen(event_ids, every=every)
    with _dead_letters(stack) as letters, Steps().step(f"replay to {name}") as detail:
        done = letters.replay(
            name, lambda letter: _takes(wanted, letter), lambda done: detail(f"{done:,} given back")
        )
    _say_how_many(name, done, "given back", wanted)


def drop(
    queue: QueueName,
    event_ids: EventIds = None,
    every: All = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    stack: StackName = DEFAULT_STACK,
) -> None:
    """Remove dead letters for good."""
    name, wanted = known(queue), chosen(event_ids, every=every)
    what = "all dead letters" if wanted is None else f"{len(wanted)} dead letters"
    with _dead_letters(stack) as letters:
        if not yes:
            typer.confirm(f"Drop {what} of '{name}' for good?", abort=True)
        done = letters.drop(name, lambda letter: _takes(wanted, letter))
    _say_how_many(name, done, "dropped", wanted)


def known(queue: str) -> str:
    """The name of the work queue, given that or the name of its dead letters.

    Raises:
        OpsError: there is no such queue.
    """
    name, names = queue.removesuffix(DEAD_SUFFIX), queue_names()
    if name not in names:
        raise OpsError(f"there is no queue '{queue}'; there are {', '.join(names)}")
    return name


def chosen(event_ids: list[str] | None, *, every: bool) -> frozenset[str] | None:
    """The event IDs that are asked for; None for all. Raises OpsError unless it is one of the two."""
    if bool(event_ids) == every:
        raise OpsError("say which dead letters: event IDs as in `ic dlq show`, or --all")
    return None if every else frozenset(event_ids or ())


def _takes(wanted: frozenset[str] | None, letter: DeadLetter) -> bool:
    return wanted is None or letter.id in wanted


def _say_how_many(queue: str, done: int, what: str, wanted: frozenset[str] | None) -> None:
    if wanted and not done:
        raise OpsError(f"'{queue}' has no dead letters of these IDs; see: ic dlq show {queue}")
    console.print(f"{done:,} dead letters of '{queue}' {what}")


@contextmanager
def _dead_letters(stack: str) -> Iterator[DeadLetters]:
    found = topology.find(stack)
    lifecycle.must_run(found)
    try:
        yield DeadLetters(Credentials.of(found).amqp_url(found))
    except (AMQPError, OSError) as error:
        raise OpsError(
            f"the broker of the stack '{stack}' does not do it: {error}; see `ic status`"
        ) from error


def _queues_table(found: list[Summary]) -> Table:
    table = Table(box=None, pad_edge=False)
    for name in ("queue", "count", "oldest", "events"):
        table.add_column(name, justify="right" if name == "count" else "left")
    for each in found:
        types = ", ".join(f"{count:,} {type_}" for type_, count in each.types.most_common())
        more = f" [dim]of the first {MOST_AT_ONCE:,}[/]" if each.count > MOST_AT_ONCE else ""
        table.add_row(each.queue, f"{each.count:,}", _time(each.oldest), escape(types) + more)
    return table


def summary_json(summary: Summary) -> dict[str, Any]:
    """A queue's dead letters for scripts."""
    oldest = summary.oldest and summary.oldest.isoformat()
    return {"queue": summary.queue, "count": summary.count, "oldest": oldest, "events": dict(summary.types)}


def letter_json(letter: DeadLetter) -> dict[str, Any]:
    """A dead letter for scripts; `payload` is null when it is unreadable."""
    event = letter.event
    return {
        "id": letter.id,
        "type": letter.type,
        "subject": event.subject if event else "",
        "time": letter.time and letter.time.isoformat(),
        "error": letter.error,
        "attempts": letter.attempts,
        "first_failure": letter.first_failure and letter.first_failure.isoformat(),
        "trace_id": letter.trace_id,
        "payload": letter.payload,
    }


def letter_text(letter: DeadLetter) -> str:
    """A dead letter for reading, with markup."""
    fields = letter_json(letter)
    payload = "unreadable" if letter.payload is None else json.dumps(letter.payload, ensure_ascii=False)
    lines = {
        "about": fields["subject"] or "-",
        "time": _time(letter.time),
        "error": f"{letter.error or '-'} (attempt {letter.attempts})",
        "first failed": _time(letter.first_failure),
        "trace": letter.trace_id or "-",
        "payload": payload,
    }
    id_, type_ = printable(letter.id or "without an ID"), printable(letter.type or "no event")
    head = f"[bold]{escape(id_)}[/] {escape(type_)}"
    return "\n".join(
        [head, *(f"  [dim]{name:12}[/] {escape(printable(str(value)))}" for name, value in lines.items())]
    )


def _time(moment: datetime | None) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S") if moment else "-"
