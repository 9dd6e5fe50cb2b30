"""The servicer: each method parses, calls a use case and maps its answer."""

import hashlib
from typing import Any

import grpc

from chassis.cache import Cache
from chassis.call_context import Principal, current_principal_or_none
from chassis.clock import Clock
from chassis.field_masks import apply_mask, changed_paths
from chassis.grpc.server import cast_serialized
from chassis.ids import slot_of
from chassis.page_tokens import PageTokens, clamp_page_size
from internshipconnect.internship.v1 import internship_pb2 as pb
from internshipconnect.internship.v1.internship_pb2_grpc import InternshipServiceServicer
from services.internship.cached_answers import CachedSearchPage, search_page_at
from services.internship.domain.model import Listing, Posting
from services.internship.mapping.listings import (
    DEADLINE_FIELDS,
    WRITABLE_FIELDS,
    copy_field,
    has_value,
    intake_to_message,
    keep_one_deadline,
    listing_to_message,
    posting_from_message,
    posting_to_message,
    states_from_numbers,
)
from services.internship.mapping.moderation import case_to_message, decision_from_number
from services.internship.mapping.search import (
    search_page_to_message,
    search_request_from_message,
    suggestions_to_message,
)
from services.internship.search.search_listings import PageCursor, SearchListings
from services.internship.search.suggestions import DEFAULT_SUGGESTIONS, SuggestCompletions
from services.internship.service import ManageListings, ManageOpenings, ModerateListings
from services.internship.service.listings import OPERATOR_KINDS

Context = grpc.aio.ServicerContext[Any, Any]

DEFAULT_CASE_COUNT = 50
FIRST_SEARCH_PAGE_TTL_S = 5.0
"""For callers who are not signed in. What was indexed since makes another key, and a page that the clock has
changed is asked for anew."""


class InternshipServicer(InternshipServiceServicer):
    """`InternshipService` of the contract."""

    def __init__(
        self,
        *,
        listings: ManageListings,
        openings: ManageOpenings,
        moderation: ModerateListings,
        finding: SearchListings,
        suggesting: SuggestCompletions,
        tokens: PageTokens,
        cache: Cache,
        clock: Clock,
    ) -> None:
        self._listings = listings
        self._openings = openings
        self._moderation = moderation
        self._finding = finding
        self._suggesting = suggesting
        self._tokens = tokens
        self._cache = cache
        self._clock = clock

    async def CreateInternship(self, request: pb.CreateInternshipRequest, context: Context) -> pb.Internship:
        return self._answer(await self._listings.create(posting_from_message(request.internship)))

    async def GetInternship(self, request: pb.GetInternshipRequest, context: Context) -> pb.Internship:
        principal = current_principal_or_none()
        if principal is not None and _reads_past_cache(principal, request.internship_id):
            return self._answer(await self._listings.read(request.internship_id))
        return cast_serialized(pb.Internship, await self._listings.public(request.internship_id))

    async def UpdateInternship(self, request: pb.UpdateInternshipRequest, context: Context) -> pb.Internship:
        body = request.internship
        paths = changed_paths(body, request.update_mask, writable=WRITABLE_FIELDS)

        def change(posting: Posting) -> Posting:
            message = posting_to_message(posting)
            apply_mask(message, body, paths)
            keep_one_deadline(message, paths)
            return posting_from_message(message)

        return self._answer(await self._listings.update(request.internship_id, change, body.etag))

    async def PublishInternship(
        self, request: pb.PublishInternshipRequest, context: Context
    ) -> pb.Internship:
        return self._answer(await self._listings.publish(request.internship_id, request.etag))

    async def PauseInternship(self, request: pb.PauseInternshipRequest, context: Context) -> pb.Internship:
        return self._answer(await self._listings.pause(request.internship_id, request.etag))

    async def ReopenInternship(self, request: pb.ReopenInternshipRequest, context: Context) -> pb.Internship:
        paths = [name for name in DEADLINE_FIELDS if has_value(request, name)]

        def renew(posting: Posting) -> Posting:
            message = posting_to_message(posting)
            for name in paths:
                copy_field(message, request, name)
            keep_one_deadline(message, paths)
            message.openings = request.openings or message.openings
            return posting_from_message(message)

        return self._answer(await self._listings.reopen(request.internship_id, request.etag, renew))

    async def CloseInternship(self, request: pb.CloseInternshipRequest, context: Context) -> pb.Internship:
        return self._answer(await self._listings.close(request.internship_id, request.etag))

    async def RecallInternship(self, request: pb.RecallInternshipRequest, context: Context) -> pb.Internship:
        return self._answer(await self._listings.recall(request.internship_id, request.etag))

    async def ArchiveInternship(
        self, request: pb.ArchiveInternshipRequest, context: Context
    ) -> pb.Internship:
        return self._answer(await self._listings.archive(request.internship_id, request.etag))

    async def DeleteInternship(
        self, request: pb.DeleteInternshipRequest, context: Context
    ) -> pb.DeleteInternshipResponse:
        await self._listings.delete(request.internship_id, request.etag)
        return pb.DeleteInternshipResponse()

    async def ListInternships(
        self, request: pb.ListInternshipsRequest, context: Context
    ) -> pb.ListInternshipsResponse:
        if request.page_token or current_principal_or_none() is not None:
            return await self._search(request)
        raw = await self._cache.read_through(
            self._first_page_key(request), FIRST_SEARCH_PAGE_TTL_S, lambda: self._timed_search(request)
        )
        page = search_page_at(raw, self._clock.now()) if raw is not None else None
        if page is None:
            return await self._search(request)
        return cast_serialized(pb.ListInternshipsResponse, page)

    async def _timed_search(self, request: pb.ListInternshipsRequest) -> CachedSearchPage:
        return CachedSearchPage.of(await self._search(request), self._clock.now())

    def _first_page_key(self, request: pb.ListInternshipsRequest) -> str:
        query = hashlib.blake2b(request.SerializeToString(deterministic=True), digest_size=16)
        return f"search:{self._finding.lexicon.tag}:{query.hexdigest()}"

    async def _search(self, request: pb.ListInternshipsRequest) -> pb.ListInternshipsResponse:
        bookmark = PageCursor.at(self._tokens.decode(request, request.page_token))
        found = await self._finding.page(search_request_from_message(request, self._finding.places), bookmark)
        response = search_page_to_message(found, request, self._finding.places)
        if found.next is not None:
            response.next_page_token = self._tokens.encode(request, found.next.position())
        return response

    async def SuggestInternships(
        self, request: pb.SuggestInternshipsRequest, context: Context
    ) -> pb.SuggestInternshipsResponse:
        return suggestions_to_message(
            self._suggesting.completions(request.q, request.limit or DEFAULT_SUGGESTIONS)
        )

    async def ListMyInternships(
        self, request: pb.ListMyInternshipsRequest, context: Context
    ) -> pb.ListMyInternshipsResponse:
        position = self._tokens.decode(request, request.page_token)
        rows, more = await self._listings.of_company(
            states_from_numbers(request.states),
            str(position[0]) if position else None,
            clamp_page_size(request.page_size),
        )
        return pb.ListMyInternshipsResponse(
            data=[self._answer(row) for row in rows],
            next_page_token=self._tokens.encode(request, [rows[-1].id]) if more else "",
        )

    async def BatchGetIntakes(
        self, request: pb.BatchGetIntakesRequest, context: Context
    ) -> pb.BatchGetIntakesResponse:
        listings, now = await self._listings.intakes(request.internship_ids), self._clock.now()
        return pb.BatchGetIntakesResponse(
            intakes=[intake_to_message(listing, now) for listing in listings.items],
            unavailable_ids=listings.unavailable_ids,
        )

    async def TakeOpening(self, request: pb.TakeOpeningRequest, context: Context) -> pb.TakeOpeningResponse:
        listing = await self._openings.take(
            request.internship_id, request.application_id, request.application_version
        )
        return pb.TakeOpeningResponse(openings=listing.posting.openings, hires=listing.hires)

    async def ReserveOpening(
        self, request: pb.ReserveOpeningRequest, context: Context
    ) -> pb.ReserveOpeningResponse:
        listing = await self._openings.reserve(
            request.internship_id, request.application_id, request.application_version
        )
        return pb.ReserveOpeningResponse(
            openings=listing.posting.openings, hires=listing.hires, offers=listing.offers
        )

    async def ListModerationCases(
        self, request: pb.ListModerationCasesRequest, context: Context
    ) -> pb.ListModerationCasesResponse:
        [state] = states_from_numbers([request.state or pb.INTERNSHIP_STATE_PENDING_REVIEW])
        cases, missing = await self._moderation.waiting(state, request.limit or DEFAULT_CASE_COUNT)
        now = self._clock.now()
        return pb.ListModerationCasesResponse(
            cases=[case_to_message(case, now) for case in cases], missing_shards=missing
        )

    async def GetModerationCase(
        self, request: pb.GetModerationCaseRequest, context: Context
    ) -> pb.ModerationCase:
        return case_to_message(await self._moderation.case(request.internship_id), self._clock.now())

    async def ModerateInternship(
        self, request: pb.ModerateInternshipRequest, context: Context
    ) -> pb.ModerationCase:
        case = await self._moderation.decide(
            request.internship_id,
            decision_from_number(request.decision),
            request.etag,
            request.moderator,
            request.reason.strip(),
        )
        return case_to_message(case, self._clock.now())

    def _answer(self, listing: Listing) -> pb.Internship:
        return listing_to_message(listing, self._clock.now())


def _reads_past_cache(principal: Principal, listing_id: str) -> bool:
    """Services decide by what they read; a company sees its own changes at once, drafts included.

    A company's listings live in its slot: that it is not this slot tells without a look that it is another's.
    """
    if principal.kind == "COMPANY":
        return slot_of(principal.org) == slot_of(listing_id)
    return principal.kind in OPERATOR_KINDS
