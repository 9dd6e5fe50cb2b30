"""The gRPC interface of the internship service: each method parses, calls a use case and maps its answer."""

import hashlib
from collections.abc import Callable
from typing import Final

from chassis.cache import Cache
from chassis.call_context import (
    Principal,
    current_call,
    current_operation,
    current_principal,
    current_principal_or_none,
)
from chassis.clock import Clock
from chassis.field_masks import apply_mask, changed_paths
from chassis.grpc.handlers import RpcContext
from chassis.grpc.server import cast_serialized
from chassis.ids import slot_of
from chassis.page_tokens import PageTokens, clamp_page_size
from chassis.redis.unique_readers import anonymous_reader_key
from internshipconnect.internship.v1 import internship_pb2 as pb
from internshipconnect.internship.v1.internship_pb2_grpc import InternshipServiceServicer
from services.internship.cached_answers import (
    PUBLIC_LISTING_TTL_S,
    CachedListing,
    CachedSearchPage,
    listing_at,
    listing_cache_key,
    search_page_at,
)
from services.internship.domain.model import Listing, Posting, listing_not_found
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
from services.internship.search.requests import PageCursor
from services.internship.search.suggestions import DEFAULT_SUGGESTIONS
from services.internship.service.manage_listings import CompanyCall
from services.internship.service.read_listings import OPERATOR_KINDS
from services.internship.service.use_cases import InternshipUseCases

DEFAULT_CASE_COUNT: Final = 50
FIRST_SEARCH_PAGE_TTL_S: Final = 5.0
"""For anonymous callers.

A change of the index changes the key, and a page that the clock has changed is searched again.
"""
EDGE_PATH_HEADER: Final = "x-envoy-original-path"
"""Set by Envoy on a call that came as HTTP; the edge records such reads of anonymous callers."""


class InternshipServicer(InternshipServiceServicer):
    """`InternshipService` of the contract."""

    def __init__(self, use_cases: InternshipUseCases, tokens: PageTokens, cache: Cache, clock: Clock) -> None:
        self._manage = use_cases.manage
        self._read = use_cases.read
        self._openings = use_cases.openings
        self._moderation = use_cases.moderation
        self._search_listings = use_cases.search
        self._suggest_completions = use_cases.suggestions
        self._tokens = tokens
        self._cache = cache
        self._clock = clock

    async def CreateInternship(
        self, request: pb.CreateInternshipRequest, context: RpcContext
    ) -> pb.Internship:
        return self._message(
            await self._manage.create(_company_call(), posting_from_message(request.internship))
        )

    async def GetInternship(self, request: pb.GetInternshipRequest, context: RpcContext) -> pb.Internship:
        principal, listing_id = current_principal_or_none(), request.internship_id
        if principal is not None and _reads_past_cache(principal, listing_id):
            return self._message(await self._read.get_listing(principal, listing_id))
        raw = await self._cache.read_through(
            listing_cache_key(listing_id), PUBLIC_LISTING_TTL_S, lambda: self._load_public(listing_id)
        )
        if raw is None:
            raise listing_not_found(listing_id)
        self._read.views.record(listing_id, _reader_id())
        return cast_serialized(pb.Internship, listing_at(raw, self._clock.now()))

    async def _load_public(self, listing_id: str) -> CachedListing | None:
        listing = await self._read.get_public(listing_id)
        return None if listing is None else CachedListing.from_listing(listing, self._message(listing))

    async def UpdateInternship(
        self, request: pb.UpdateInternshipRequest, context: RpcContext
    ) -> pb.Internship:
        body = request.internship
        paths = changed_paths(body, request.update_mask, writable=WRITABLE_FIELDS)

        def change(posting: Posting) -> Posting:
            message = posting_to_message(posting)
            apply_mask(message, body, paths)
            keep_one_deadline(message, paths)
            return posting_from_message(message)

        return self._message(
            await self._manage.update(_company_call(body.etag), request.internship_id, change)
        )

    async def PublishInternship(
        self, request: pb.PublishInternshipRequest, context: RpcContext
    ) -> pb.Internship:
        return self._message(await self._manage.publish(_company_call(request.etag), request.internship_id))

    async def PauseInternship(self, request: pb.PauseInternshipRequest, context: RpcContext) -> pb.Internship:
        return self._message(await self._manage.pause(_company_call(request.etag), request.internship_id))

    async def ReopenInternship(
        self, request: pb.ReopenInternshipRequest, context: RpcContext
    ) -> pb.Internship:
        call, renew = _company_call(request.etag), _renewal(request)
        return self._message(await self._manage.reopen(call, request.internship_id, renew))

    async def CloseInternship(self, request: pb.CloseInternshipRequest, context: RpcContext) -> pb.Internship:
        return self._message(await self._manage.close(_company_call(request.etag), request.internship_id))

    async def RecallInternship(
        self, request: pb.RecallInternshipRequest, context: RpcContext
    ) -> pb.Internship:
        return self._message(await self._manage.recall(_company_call(request.etag), request.internship_id))

    async def ArchiveInternship(
        self, request: pb.ArchiveInternshipRequest, context: RpcContext
    ) -> pb.Internship:
        return self._message(await self._manage.archive(_company_call(request.etag), request.internship_id))

    async def DeleteInternship(
        self, request: pb.DeleteInternshipRequest, context: RpcContext
    ) -> pb.DeleteInternshipResponse:
        await self._manage.delete(_company_call(request.etag), request.internship_id)
        return pb.DeleteInternshipResponse()

    async def ListInternships(
        self, request: pb.ListInternshipsRequest, context: RpcContext
    ) -> pb.ListInternshipsResponse:
        if request.page_token or current_principal_or_none() is not None:
            return await self._search(request)
        raw = await self._cache.read_through(
            self._first_page_key(request), FIRST_SEARCH_PAGE_TTL_S, lambda: self._cached_search(request)
        )
        page = search_page_at(raw, self._clock.now()) if raw is not None else None
        if page is None:
            return await self._search(request)
        return cast_serialized(pb.ListInternshipsResponse, page)

    async def _cached_search(self, request: pb.ListInternshipsRequest) -> CachedSearchPage:
        return CachedSearchPage.from_page(await self._search(request), self._clock.now())

    def _first_page_key(self, request: pb.ListInternshipsRequest) -> str:
        query = hashlib.blake2b(request.SerializeToString(deterministic=True), digest_size=16)
        return f"search:{self._search_listings.lexicon.tag}:{query.hexdigest()}"

    async def _search(self, request: pb.ListInternshipsRequest) -> pb.ListInternshipsResponse:
        places = self._search_listings.places
        cursor = PageCursor.from_position(self._tokens.decode(request, request.page_token))
        page = await self._search_listings.search(search_request_from_message(request, places), cursor)
        response = search_page_to_message(page, request, places)
        if page.next is not None:
            response.next_page_token = self._tokens.encode(request, page.next.to_position())
        return response

    async def SuggestInternships(
        self, request: pb.SuggestInternshipsRequest, context: RpcContext
    ) -> pb.SuggestInternshipsResponse:
        return suggestions_to_message(
            self._suggest_completions.completions(request.q, request.limit or DEFAULT_SUGGESTIONS)
        )

    async def ListMyInternships(
        self, request: pb.ListMyInternshipsRequest, context: RpcContext
    ) -> pb.ListMyInternshipsResponse:
        position = self._tokens.decode(request, request.page_token)
        rows, more = await self._read.list_of_company(
            current_principal(),
            states_from_numbers(request.states),
            str(position[0]) if position else None,
            clamp_page_size(request.page_size),
        )
        return pb.ListMyInternshipsResponse(
            data=[self._message(row) for row in rows],
            next_page_token=self._tokens.encode(request, [rows[-1].id]) if more else "",
        )

    async def BatchGetIntakes(
        self, request: pb.BatchGetIntakesRequest, context: RpcContext
    ) -> pb.BatchGetIntakesResponse:
        listings, now = await self._read.list_intakes(request.internship_ids), self._clock.now()
        return pb.BatchGetIntakesResponse(
            intakes=[intake_to_message(listing, now) for listing in listings.items],
            unavailable_ids=listings.unavailable_ids,
        )

    async def TakeOpening(
        self, request: pb.TakeOpeningRequest, context: RpcContext
    ) -> pb.TakeOpeningResponse:
        listing = await self._openings.take_opening(
            request.internship_id,
            request.application_id,
            request.application_version,
            current_operation(),
        )
        return pb.TakeOpeningResponse(openings=listing.posting.openings, hires=listing.hires)

    async def ReserveOpening(
        self, request: pb.ReserveOpeningRequest, context: RpcContext
    ) -> pb.ReserveOpeningResponse:
        listing = await self._openings.reserve_opening(
            request.internship_id,
            request.application_id,
            request.application_version,
            current_operation(),
        )
        return pb.ReserveOpeningResponse(
            openings=listing.posting.openings, hires=listing.hires, offers=listing.offers
        )

    async def ListModerationCases(
        self, request: pb.ListModerationCasesRequest, context: RpcContext
    ) -> pb.ListModerationCasesResponse:
        [state] = states_from_numbers([request.state or pb.INTERNSHIP_STATE_PENDING_REVIEW])
        cases, missing = await self._moderation.list_cases(state, request.limit or DEFAULT_CASE_COUNT)
        now = self._clock.now()
        return pb.ListModerationCasesResponse(
            cases=[case_to_message(case, now) for case in cases], missing_shards=missing
        )

    async def GetModerationCase(
        self, request: pb.GetModerationCaseRequest, context: RpcContext
    ) -> pb.ModerationCase:
        return case_to_message(await self._moderation.get_case(request.internship_id), self._clock.now())

    async def ModerateInternship(
        self, request: pb.ModerateInternshipRequest, context: RpcContext
    ) -> pb.ModerationCase:
        case = await self._moderation.decide_case(
            request.internship_id,
            decision_from_number(request.decision),
            etag=request.etag,
            moderator=request.moderator,
            reason=request.reason.strip(),
            operation=current_operation(),
        )
        return case_to_message(case, self._clock.now())

    def _message(self, listing: Listing) -> pb.Internship:
        return listing_to_message(listing, self._clock.now())


def _company_call(etag: str = "") -> CompanyCall:
    return CompanyCall(principal=current_principal(), operation=current_operation(), etag=etag)


def _renewal(request: pb.ReopenInternshipRequest) -> Callable[[Posting], Posting]:
    paths = [name for name in DEADLINE_FIELDS if has_value(request, name)]

    def renew(posting: Posting) -> Posting:
        message = posting_to_message(posting)
        for name in paths:
            copy_field(message, request, name)
        keep_one_deadline(message, paths)
        message.openings = request.openings or message.openings
        return posting_from_message(message)

    return renew


def _reader_id() -> str:
    """Return the caller as a reader; "" for one whose read the edge has recorded."""
    principal, call = current_principal_or_none(), current_call()
    if principal is not None:
        return principal.id
    if call.metadata_text(EDGE_PATH_HEADER):
        return ""
    addresses = call.metadata_text("x-forwarded-for").rpartition(",")
    return anonymous_reader_key(addresses[2].strip(), call.metadata_text("user-agent"))


def _reads_past_cache(principal: Principal, listing_id: str) -> bool:
    """Return whether the caller is answered from the database: an operator, or the company, drafts included.

    A company's listings live in its slot: a listing of another slot is another company's. An account that was
    made by invitation, or has left its company, has none.
    """
    if principal.kind == "COMPANY":
        return bool(principal.org) and slot_of(principal.org) == slot_of(listing_id)
    return principal.kind in OPERATOR_KINDS
