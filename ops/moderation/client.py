"""Moderators' client: internal calls to the services, with the operators' own identity."""

import getpass
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

import grpc
from google.protobuf.message import Message

from chassis.concurrency.retry import RetryPolicy, retry_call
from chassis.errors import DomainError
from chassis.grpc.error_status import STATUS_DETAILS_METADATA_KEY, status_to_error
from chassis.security.service_identity import ServiceIdentity
from internshipconnect.internship.v1 import internship_pb2 as pb
from internshipconnect.internship.v1.internship_pb2_grpc import InternshipServiceStub
from internshipconnect.user.v1 import user_pb2 as user
from internshipconnect.user.v1.user_pb2_grpc import UserServiceStub
from ops.channels import open_channel
from ops.cluster import Cluster
from ops.errors import OpsError
from ops.service_names import OPERATOR_SERVICE

CALL_TIMEOUT_S: Final = 8.0
COMPANY_KNOWN_TIMEOUT_S: Final = 20.0
"""The time for the services to know a company that has just registered."""
COMPANY_KNOWN_RETRY_POLICY: Final = RetryPolicy(initial_s=0.1, max_s=0.1, jitter=0)


class ModerationClient:
    """One moderator, whose name is stored with each decision."""

    def __init__(self, cluster: Cluster, name: str = "") -> None:
        self._cluster = cluster
        self._name = name or getpass.getuser()
        self._identity: ServiceIdentity | None = None

    def list_cases(self, state: str = "PENDING_REVIEW", limit: int = 50) -> pb.ListModerationCasesResponse:
        """Return the listings in a state, the longest waiting first."""
        request = pb.ListModerationCasesRequest(
            state=pb.InternshipState.Value(f"INTERNSHIP_STATE_{state}"), limit=limit
        )
        answer: pb.ListModerationCasesResponse = self._listings("ListModerationCases", request)
        return answer

    def get_case(self, listing_id: str) -> pb.ModerationCase:
        """Return one listing. Raises DomainError INTERNSHIP_NOT_FOUND."""
        request = pb.GetModerationCaseRequest(internship_id=listing_id)
        answer: pb.ModerationCase = self._listings("GetModerationCase", request)
        return answer

    def decide(self, listing_id: str, decision: str, reason: str = "", etag: str = "") -> pb.ModerationCase:
        """Decide on the version of `etag`; without one on the present version.

        Raises DomainError INTERNSHIP_NOT_FOUND, STALE_ETAG, ILLEGAL_TRANSITION, INTERNSHIP_INCOMPLETE.
        """
        request = pb.ModerateInternshipRequest(
            internship_id=listing_id,
            decision=pb.ModerationDecision.Value(f"MODERATION_DECISION_{decision}"),
            etag=etag or self.get_case(listing_id).internship.etag,
            reason=reason,
            moderator=self._name,
        )
        answer: pb.ModerationCase = self._listings("ModerateInternship", request)
        return answer

    def approve(self, listing_id: str) -> pb.ModerationCase:
        """Approve a listing that waits for review."""
        return self.decide(listing_id, "APPROVE")

    def list_companies(self, state: str = "", limit: int = 50) -> user.ListCompaniesResponse:
        """Return the companies in a state; all when it is empty."""
        number = (
            user.CompanyState.Value(f"COMPANY_STATE_{state}") if state else user.COMPANY_STATE_UNSPECIFIED
        )
        request = user.ListCompaniesRequest(state=number, limit=limit)
        answer: user.ListCompaniesResponse = self._users("ListCompanies", request)
        return answer

    def set_company_state(self, company_id: str, state: str, reason: str = "") -> user.Company:
        """Put a company into a state. Raises DomainError COMPANY_NOT_FOUND."""
        request = user.SetCompanyStateRequest(
            company_id=company_id,
            state=user.CompanyState.Value(f"COMPANY_STATE_{state}"),
            reason=reason,
            moderator=self._name,
        )
        answer: user.Company = self._users("SetCompanyState", request)
        return answer

    def verify_company(self, company_id: str) -> user.Company:
        """Verify a company, which may have registered a moment ago."""
        return retry_call(
            lambda: self.set_company_state(company_id, "VERIFIED"),
            COMPANY_KNOWN_RETRY_POLICY,
            on=DomainError,
            may_retry=lambda error, _failures: error.reason == "COMPANY_NOT_FOUND",
            deadline=time.monotonic() + COMPANY_KNOWN_TIMEOUT_S,
        )

    def _listings(self, rpc: str, request: Message) -> Any:
        return self._call("internship", InternshipServiceStub, rpc, request)

    def _users(self, rpc: str, request: Message) -> Any:
        return self._call("user", UserServiceStub, rpc, request)

    def _call(self, service: str, stub: Callable[[grpc.Channel], Any], rpc: str, request: Message) -> Any:
        address = self._cluster.service_address(service)
        metadata = (("authorization", f"Bearer {self._token()}"),)
        folder = self._cluster.tls_folder
        with self._as_domain_errors(), open_channel(address, service, folder) as channel:
            return getattr(stub(channel), rpc)(request, timeout=CALL_TIMEOUT_S, metadata=metadata)

    def _token(self) -> str:
        if self._identity is None:
            self._identity = ServiceIdentity.from_file(OPERATOR_SERVICE, self._cluster.operator_key())
        return self._identity.token()

    @contextmanager
    def _as_domain_errors(self) -> Iterator[None]:
        try:
            yield
        except grpc.RpcError as error:
            trailers: Any = error.trailing_metadata() or ()
            details = dict(trailers).get(STATUS_DETAILS_METADATA_KEY)
            known = status_to_error(details) if isinstance(details, bytes) else None
            if known is None:
                hint = f"; {self._cluster.status_hint}" if self._cluster.status_hint else ""
                raise OpsError(f"the service does not answer: {error}{hint}") from error
            raise known from None
