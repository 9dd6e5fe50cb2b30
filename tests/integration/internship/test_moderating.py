"""First listings wait for a person, and what moderators decide reaches everybody, on real shards."""

from typing import Any

import pytest
from google.protobuf.field_mask_pb2 import FieldMask

from chassis.call_context import Principal, acting_as
from chassis.errors import DomainError
from chassis.ids import new_id
from internshipconnect.events.v1 import events_pb2 as events
from internshipconnect.internship.v1 import internship_pb2 as pb
from internshipconnect.user.v1 import user_pb2 as user
from services.internship.service.follow_company import CompanyStateUpdate
from tests.databases import read_outbox
from tests.integration.internship.harness import CONTEXT, SERVICE, STUDENT, InternshipHarness, incoming

ADMIN = Principal(id=new_id("usr"), kind="ADMIN")


def refused(reason: str) -> pytest.RaisesExc[DomainError]:
    return pytest.RaisesExc(DomainError, check=lambda error: error.reason == reason)


async def decided(
    world: InternshipHarness, listing: pb.Internship, decision: str, reason: str = ""
) -> pb.ModerationCase:
    request = pb.ModerateInternshipRequest(
        internship_id=listing.id,
        decision=pb.ModerationDecision.Value(f"MODERATION_DECISION_{decision}"),
        etag=listing.etag,
        reason=reason,
        moderator="maria",
    )
    with acting_as(SERVICE):
        return await world.api.ModerateInternship(request, CONTEXT)


async def edited(world: InternshipHarness, owner: Principal, listing_id: str, **fields: Any) -> pb.Internship:
    request = pb.UpdateInternshipRequest(
        internship_id=listing_id,
        internship=pb.Internship(**fields),
        update_mask=FieldMask(paths=list(fields)),
    )
    with acting_as(owner):
        return await world.api.UpdateInternship(request, CONTEXT)


async def judged(world: InternshipHarness, owner: Principal, state: str, version: int) -> None:
    news = CompanyStateUpdate(
        company_id=owner.org, state=state, version=version, moderator="maria", reason="Checked."
    )
    await world.following.follow_company_state(news, incoming(owner.org, "internship-companies"))
    page = world.companies.pages[owner.org]
    world.companies.pages[owner.org] = type(page)(page.company, state)


async def test_a_first_listing_is_seen_by_its_company_and_operators_only(world: InternshipHarness) -> None:
    owner = world.companies.add("New Here", verified=False)
    waiting = await world.published(owner)
    assert waiting.state == pb.INTERNSHIP_STATE_PENDING_REVIEW
    for reader in (owner, SERVICE, ADMIN):
        assert (await world.get(reader, waiting.id)).id == waiting.id
    for outsider in (None, STUDENT, world.companies.add("Other")):
        with refused("INTERNSHIP_NOT_FOUND"):
            await world.get(outsider, waiting.id)
    await world.index()
    assert waiting.id not in {hit.id for hit in (await world.search(company_id=owner.org)).data}


async def test_an_approval_opens_the_listing_and_makes_the_company_trusted(world: InternshipHarness) -> None:
    owner = world.companies.add("New Here", verified=False)
    waiting = await world.published(owner)
    case = await decided(world, waiting, "APPROVE")
    assert case.internship.state == pb.INTERNSHIP_STATE_OPEN
    assert case.internship.HasField("publish_time")
    assert case.company_is_trusted
    assert [(entry.actor, entry.actor_id) for entry in case.history[1:]] == [("MODERATOR", "maria")]
    assert (await world.published(owner)).state == pb.INTERNSHIP_STATE_OPEN


async def test_nobody_approves_what_they_did_not_read(world: InternshipHarness) -> None:
    owner = world.companies.add("New Here", verified=False)
    waiting = await world.published(owner)
    await edited(world, owner, waiting.id, description="Pay a 99 USD fee.")
    with refused("STALE_ETAG"):
        await decided(world, waiting, "APPROVE")


async def test_a_request_for_changes_reaches_the_company_with_its_reason(world: InternshipHarness) -> None:
    owner = world.companies.add("New Here", verified=False)
    waiting = await world.published(owner, description="Pay a 99 USD fee.")
    with acting_as(SERVICE):
        request = pb.GetModerationCaseRequest(internship_id=waiting.id)
        case = await world.api.GetModerationCase(request, CONTEXT)
    assert "fee asked" in {flag.what for flag in case.flags}
    await decided(world, waiting, "REQUEST_CHANGES", "We do not let interns pay.")
    assert (await world.get(owner, waiting.id)).review_note == "We do not let interns pay."
    [*_, moved] = await read_outbox(world.shards, events.InternshipStateChanged, waiting.id)
    assert moved.reason == "We do not let interns pay."
    await edited(world, owner, waiting.id, description="We pay you.")
    with acting_as(owner):
        again = await world.api.PublishInternship(
            pb.PublishInternshipRequest(internship_id=waiting.id), CONTEXT
        )
    assert again.state == pb.INTERNSHIP_STATE_PENDING_REVIEW


async def test_the_longest_waiting_comes_first_and_what_is_decided_waits_no_more(
    world: InternshipHarness,
) -> None:
    owner = world.companies.add("New Here", verified=False)
    first, second = await world.published(owner), await world.published(owner)
    with acting_as(SERVICE):
        request = pb.ListModerationCasesRequest(limit=200)
        cases = (await world.api.ListModerationCases(request, CONTEXT)).cases
        waiting = [case.internship.id for case in cases if case.internship.company.id == owner.org]
        assert waiting == [first.id, second.id]
        await decided(world, first, "REJECT", "A fraud.")
        after = (await world.api.ListModerationCases(request, CONTEXT)).cases
    assert first.id not in {case.internship.id for case in after}


async def test_an_open_listing_of_a_company_that_is_no_longer_trusted_keeps_its_text(
    world: InternshipHarness,
) -> None:
    owner = world.companies.add("Once Verified")
    await judged(world, owner, "VERIFIED", 2)
    opened = await world.published(owner)
    await edited(world, owner, opened.id, title="Another title")
    await judged(world, owner, "REJECTED", 3)
    with refused("COMPANY_NOT_VERIFIED"):
        await edited(world, owner, opened.id, description="Pay a 99 USD fee.")
    assert (await edited(world, owner, opened.id, openings=7)).openings == 7


async def test_a_suspended_companys_listings_are_suspended_with_it_until_it_is_reinstated(
    world: InternshipHarness,
) -> None:
    owner = world.companies.add("Troubled")
    opened, draft = await world.published(owner), await world.draft(owner)
    await judged(world, owner, "SUSPENDED", 2)
    suspended = await world.get(owner, opened.id)
    assert (suspended.state, suspended.review_note) == (pb.INTERNSHIP_STATE_SUSPENDED, "Checked.")
    assert (await world.get(owner, draft.id)).state == pb.INTERNSHIP_STATE_DRAFT
    await judged(world, owner, "VERIFIED", 3)
    assert (await world.get(owner, opened.id)).state == pb.INTERNSHIP_STATE_OPEN


async def test_a_listing_that_was_suspended_by_itself_stays_so_when_its_company_is_verified(
    world: InternshipHarness,
) -> None:
    owner = world.companies.add("Troubled")
    opened = await world.published(owner)
    await decided(world, opened, "SUSPEND", "Under inspection.")
    await judged(world, owner, "VERIFIED", 2)
    assert (await world.get(owner, opened.id)).state == pb.INTERNSHIP_STATE_SUSPENDED


async def test_the_state_of_a_company_travels_by_its_event(world: InternshipHarness) -> None:
    owner = world.companies.add("By Event", verified=False)
    moved = events.CompanyStateChanged(
        company_id=owner.org, to=user.COMPANY_STATE_VERIFIED, company_version=2, moderator="maria"
    )
    await world.handlers.company_state_changed(moved, incoming(owner.org, "internship-companies"))
    waiting = await world.draft(owner)
    with acting_as(SERVICE):
        case = await world.api.GetModerationCase(
            pb.GetModerationCaseRequest(internship_id=waiting.id), CONTEXT
        )
    assert case.company_is_trusted


async def test_a_deleted_draft_is_gone_and_nothing_late_brings_it_back(world: InternshipHarness) -> None:
    owner = world.companies.add("Tidy")
    draft = await world.draft(owner)
    with acting_as(owner):
        await world.api.DeleteInternship(
            pb.DeleteInternshipRequest(internship_id=draft.id, etag=draft.etag), CONTEXT
        )
        with refused("INTERNSHIP_NOT_FOUND"):
            await world.api.DeleteInternship(pb.DeleteInternshipRequest(internship_id=draft.id), CONTEXT)
    with refused("INTERNSHIP_NOT_FOUND"):
        await world.get(owner, draft.id)
    [gone] = await read_outbox(world.shards, events.InternshipDeleted, draft.id)
    assert (gone.company_id, gone.version) == (owner.org, draft.version + 1)
    await world.deliver()
    entry = await world.shards.shard_for(draft.id).db["search_listings"].find_one({"_id": draft.id})
    assert entry is not None
    assert entry["version"] == draft.version + 1
    assert "terms" not in entry


async def test_another_company_and_a_stale_reader_delete_nothing(world: InternshipHarness) -> None:
    owner, other = world.companies.add("Tidy"), world.companies.add("Other")
    draft = await world.draft(owner)
    await edited(world, owner, draft.id, title="Newer")
    request = pb.DeleteInternshipRequest(internship_id=draft.id, etag=draft.etag)
    with acting_as(owner), refused("STALE_ETAG"):
        await world.api.DeleteInternship(request, CONTEXT)
    with acting_as(other), refused("INTERNSHIP_NOT_FOUND"):
        await world.api.DeleteInternship(request, CONTEXT)


async def test_an_archived_listing_leaves_the_public_and_the_search(world: InternshipHarness) -> None:
    owner = world.companies.add("Done")
    opened = await world.published(owner)
    await world.index()
    with acting_as(owner):
        with refused("ILLEGAL_TRANSITION"):
            await world.api.ArchiveInternship(pb.ArchiveInternshipRequest(internship_id=opened.id), CONTEXT)
        closed = await world.api.CloseInternship(pb.CloseInternshipRequest(internship_id=opened.id), CONTEXT)
        archived = await world.api.ArchiveInternship(
            pb.ArchiveInternshipRequest(internship_id=opened.id, etag=closed.etag), CONTEXT
        )
    assert archived.state == pb.INTERNSHIP_STATE_ARCHIVED
    with refused("INTERNSHIP_NOT_FOUND"):
        await world.get(STUDENT, opened.id)
    await world.index()
    assert not (await world.search(company_id=owner.org)).data


async def test_a_recalled_listing_is_a_draft_again_and_only_then(world: InternshipHarness) -> None:
    owner = world.companies.add("New Here", verified=False)
    waiting = await world.published(owner)
    request = pb.RecallInternshipRequest(internship_id=waiting.id)
    with acting_as(owner):
        recalled = await world.api.RecallInternship(request, CONTEXT)
        assert recalled.state == pb.INTERNSHIP_STATE_DRAFT
        with refused("ILLEGAL_TRANSITION"):
            await world.api.RecallInternship(request, CONTEXT)
