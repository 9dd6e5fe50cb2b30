"""`ic moderate`: read listings that wait, decide on them, and say how far companies are trusted."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any

import typer
from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message
from rich.markup import escape
from rich.table import Table

from chassis.errors import DomainError
from internshipconnect.internship.v1 import internship_pb2 as pb
from internshipconnect.user.v1 import user_pb2 as user
from ops.cluster import Cluster
from ops.console import console
from ops.errors import OpsError
from ops.moderation import ModerationClient
from ops.options import DEFAULT_STACK, AsJson, StackName, open_chosen_cluster

ListingArgument = Annotated[
    str, typer.Argument(metavar="LISTING", help="ModeratorOption in `ic moderate list`.")
]
CompanyArgument = Annotated[
    str, typer.Argument(metavar="COMPANY", help="ModeratorOption in `ic moderate companies list`.")
]
ReasonOption = Annotated[
    str, typer.Option("--reason", "-r", help="Why, in words for the company; it is mailed.")
]
OptionalReasonOption = Annotated[str, typer.Option("--reason", "-r", help="Why; it is kept, and mailed.")]
ModeratorOption = Annotated[
    str, typer.Option("--as", help="Under which name the decision is kept; yours by default.")
]
EtagOption = Annotated[str, typer.Option("--etag", help="Decide only on this version, as `show` prints it.")]
StateOption = Annotated[str, typer.Option("--state", help="E.g. PENDING_REVIEW, SUSPENDED.")]
CompanyStateOption = Annotated[
    str, typer.Option("--state", help="E.g. UNVERIFIED, VERIFIED; all by default.")
]
LimitOption = Annotated[int, typer.Option("-n", "--limit", min=1, max=200, help="At most so many.")]


def register(app: typer.Typer) -> None:
    """Add `ic moderate`."""
    moderate = typer.Typer(help="Read and decide what waits for a person.", no_args_is_help=True)
    for command in (show, approve, request_changes, reject, suspend, reinstate):
        moderate.command()(command)
    moderate.command("list")(list_cases)
    companies = typer.Typer(help="Say how far companies are trusted.", no_args_is_help=True)
    companies.command("list")(list_companies)
    companies.command("verify")(verify_company)
    companies.command("unverify")(unverify_company)
    companies.command("reject")(reject_company)
    companies.command("suspend")(suspend_company)
    moderate.add_typer(companies, name="companies")
    app.add_typer(moderate, name="moderate")


def list_cases(
    state: StateOption = "PENDING_REVIEW",
    limit: LimitOption = 50,
    stack: StackName = DEFAULT_STACK,
    as_json: AsJson = False,
) -> None:
    """Show the listings in a state, the longest waiting first, with what to look at twice."""
    known = _parse_state(pb.InternshipState.DESCRIPTOR, "INTERNSHIP_STATE_", state)
    cluster = open_chosen_cluster(stack)
    with _moderation_client(cluster) as moderators:
        found = moderators.list_cases(known, limit)
    if as_json:
        _print_json(found)
        return
    console.print(_cases_table(found) if found.cases else f"no listing is {known} in {cluster}")
    _print_missing_shards(found.missing_shards)


def show(listing: ListingArgument, stack: StackName = DEFAULT_STACK, as_json: AsJson = False) -> None:
    """Show one listing in full: its text, flags, and who moved it when and why."""
    with _moderation_client(open_chosen_cluster(stack)) as moderators:
        case = moderators.get_case(listing)
    if as_json:
        _print_json(case)
        return
    for line in _case_lines(case):
        console.print(line, soft_wrap=True)


def approve(
    listing: ListingArgument,
    etag: EtagOption = "",
    name: ModeratorOption = "",
    stack: StackName = DEFAULT_STACK,
) -> None:
    """Let a listing go online; its company is trusted from then on."""
    _decide(stack, name, listing, "APPROVE", etag=etag)


def request_changes(
    listing: ListingArgument,
    reason: ReasonOption,
    etag: EtagOption = "",
    name: ModeratorOption = "",
    stack: StackName = DEFAULT_STACK,
) -> None:
    """Send a listing back to its company with what to change."""
    _decide(stack, name, listing, "REQUEST_CHANGES", reason=reason, etag=etag)


def reject(
    listing: ListingArgument,
    reason: ReasonOption,
    etag: EtagOption = "",
    name: ModeratorOption = "",
    stack: StackName = DEFAULT_STACK,
) -> None:
    """Refuse a listing for good; it is archived. Ends pending applications of a suspended one."""
    _decide(stack, name, listing, "REJECT", reason=reason, etag=etag)


def suspend(
    listing: ListingArgument,
    reason: ReasonOption,
    etag: EtagOption = "",
    name: ModeratorOption = "",
    stack: StackName = DEFAULT_STACK,
) -> None:
    """Take an open listing offline until it is reinstated or rejected."""
    _decide(stack, name, listing, "SUSPEND", reason=reason, etag=etag)


def reinstate(
    listing: ListingArgument,
    etag: EtagOption = "",
    name: ModeratorOption = "",
    stack: StackName = DEFAULT_STACK,
) -> None:
    """Put a suspended listing online again."""
    _decide(stack, name, listing, "REINSTATE", etag=etag)


def list_companies(
    state: CompanyStateOption = "",
    limit: LimitOption = 50,
    stack: StackName = DEFAULT_STACK,
    as_json: AsJson = False,
) -> None:
    """Show companies and how far they have been checked."""
    known = _parse_state(user.CompanyState.DESCRIPTOR, "COMPANY_STATE_", state) if state else ""
    with _moderation_client(open_chosen_cluster(stack)) as moderators:
        found = moderators.list_companies(known, limit)
    if as_json:
        _print_json(found)
        return
    table = _table("company", "state", "name", "web address")
    for each in found.companies:
        table.add_row(
            each.id, _short_state(user.CompanyState.Name(each.state)), escape(each.name), escape(each.url)
        )
    console.print(table if found.companies else "no such company")
    _print_missing_shards(found.missing_shards)


def verify_company(
    company: CompanyArgument, name: ModeratorOption = "", stack: StackName = DEFAULT_STACK
) -> None:
    """Let a company publish at once and search students."""
    _set_company(stack, name, company, "VERIFIED", "")


def unverify_company(
    company: CompanyArgument,
    reason: OptionalReasonOption = "",
    name: ModeratorOption = "",
    stack: StackName = DEFAULT_STACK,
) -> None:
    """Make a company one that nobody has checked; also ends a suspension."""
    _set_company(stack, name, company, "UNVERIFIED", reason)


def reject_company(
    company: CompanyArgument,
    reason: ReasonOption,
    name: ModeratorOption = "",
    stack: StackName = DEFAULT_STACK,
) -> None:
    """Say that a company could not be verified: whatever it publishes is reviewed first."""
    _set_company(stack, name, company, "REJECTED", reason)


def suspend_company(
    company: CompanyArgument,
    reason: ReasonOption,
    name: ModeratorOption = "",
    stack: StackName = DEFAULT_STACK,
) -> None:
    """Take all of a company's open listings offline and let it publish nothing."""
    _set_company(stack, name, company, "SUSPENDED", reason)


def _decide(stack: str, name: str, listing: str, decision: str, *, reason: str = "", etag: str = "") -> None:
    with _moderation_client(open_chosen_cluster(stack), name) as moderators:
        case = moderators.decide(listing, decision, reason, etag)
    state = _short_state(pb.InternshipState.Name(case.internship.state))
    console.print(f"{listing} “{escape(case.internship.title)}” is {state}", soft_wrap=True)


def _set_company(stack: str, name: str, company: str, state: str, reason: str) -> None:
    with _moderation_client(open_chosen_cluster(stack), name) as moderators:
        found = moderators.set_company_state(company, state, reason)
    console.print(f"{company} {escape(found.name)} is {state}", soft_wrap=True)


@contextmanager
def _moderation_client(cluster: Cluster, name: str = "") -> Iterator[ModerationClient]:
    try:
        yield ModerationClient(cluster, name)
    except DomainError as error:
        raise OpsError(error.message) from error


def _parse_state(enum: Any, prefix: str, given: str) -> str:
    names = [value.name.removeprefix(prefix) for value in enum.values if value.number]
    known = given.upper().replace("-", "_")
    if known not in names:
        raise OpsError(f"there is no state '{given}'; there are {', '.join(names)}")
    return known


def _cases_table(found: pb.ListModerationCasesResponse) -> Table:
    table = _table("listing", "since", "company", "title", "look at")
    for case in found.cases:
        listing = case.internship
        table.add_row(
            listing.id,
            listing.update_time.ToDatetime().strftime("%Y-%m-%d %H:%M"),
            escape(listing.company.name),
            escape(listing.title),
            ", ".join(dict.fromkeys(flag.what for flag in case.flags)),
        )
    return table


def _case_lines(case: pb.ModerationCase) -> Iterator[str]:
    listing = case.internship
    state = _short_state(pb.InternshipState.Name(listing.state))
    trust = "trusted" if case.company_is_trusted else "not trusted yet"
    yield f"[bold]{escape(listing.title)}[/] {listing.id} is {state}, etag {listing.etag}"
    yield f"[dim]company[/] {escape(listing.company.name)} {listing.company.id}, {trust}"
    for flag in case.flags:
        yield f"[yellow]{flag.what}[/] in {flag.field}: … {escape(flag.excerpt)} …"
    for name, texts in (
        ("description", [listing.description]),
        ("responsibilities", listing.responsibilities),
        ("qualifications", listing.qualifications),
        ("questions", [question.text for question in listing.questions]),
        ("documents", listing.documents_required),
        ("unpaid because", [listing.compensation.unpaid_basis]),
    ):
        for text in texts:
            if text:
                yield f"[dim]{name}[/] {escape(text)}"
    for entry in case.history:
        source, target = (
            _short_state(pb.InternshipState.Name(state)) for state in (getattr(entry, "from"), entry.to)
        )
        why = f": {escape(entry.reason)}" if entry.reason else ""
        when = entry.time.ToDatetime().strftime("%Y-%m-%d %H:%M:%S")
        yield f"[dim]{when}[/] {entry.actor} {escape(entry.actor_id)} {source} → {target}{why}"


def _table(*columns: str) -> Table:
    """Return a table whose first column, the IDs for other commands, is never wrapped."""
    table = Table(box=None, pad_edge=False)
    for at, name in enumerate(columns):
        table.add_column(name, overflow="fold", no_wrap=at == 0)
    return table


def _print_missing_shards(shards: Any) -> None:
    if shards:
        console.print(f"[yellow]without the shards {', '.join(shards)}, which do not answer[/]")


def _short_state(name: str) -> str:
    return name.partition("_STATE_")[2]


def _print_json(message: Message) -> None:
    print(json.dumps(MessageToDict(message), indent=2, ensure_ascii=False))
