"""The same journey over gRPC with typed stubs, through the gateway."""

import secrets
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from typing import cast

import grpc
import pytest
from google.protobuf import json_format
from google.rpc import error_details_pb2
from grpc_health.v1 import health_pb2
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import (
    ProtoReflectionDescriptorDatabase,
)
from grpc_status import rpc_status

from devstack.journey.client import CODE_PATTERN, wait_for_result
from devstack.journey.main_journey import JOURNEY_PASSWORD, sample_listing
from internshipconnect.analytics.v1 import analytics_pb2 as analytics
from internshipconnect.analytics.v1.analytics_pb2_grpc import AnalyticsServiceStub
from internshipconnect.application.v1 import application_pb2 as application
from internshipconnect.application.v1.application_pb2_grpc import ApplicationServiceStub
from internshipconnect.auth.v1 import auth_pb2 as auth
from internshipconnect.auth.v1.auth_pb2_grpc import AuthServiceStub
from internshipconnect.common.v1 import common_pb2 as common
from internshipconnect.internship.v1 import internship_pb2 as internship
from internshipconnect.internship.v1.internship_pb2_grpc import InternshipServiceStub
from internshipconnect.notification.v1 import notification_pb2 as notification
from internshipconnect.notification.v1.notification_pb2_grpc import NotificationServiceStub
from internshipconnect.user.v1 import user_pb2 as user
from internshipconnect.user.v1.user_pb2_grpc import UserServiceStub
from ops.moderation import ModerationClient
from tests.stack import StackHandle
from tests.waiting import WAIT_TIMEOUT_S

Metadata = tuple[tuple[str, str], ...]
TIMEOUT_S = WAIT_TIMEOUT_S


@pytest.fixture(scope="module")
def channel(stack: StackHandle) -> Iterator[grpc.Channel]:
    with grpc.insecure_channel(f"127.0.0.1:{stack.topology.gateway}") as channel:
        yield channel


@dataclass(frozen=True)
class GrpcCaller:
    """Somebody who is signed in."""

    session: auth.Session

    def metadata(self, *, once: bool = False) -> Metadata:
        token = ("authorization", f"Bearer {self.session.tokens.access_token}")
        return (token, ("idempotency-key", str(uuid.uuid4()))) if once else (token,)


def _join(stack: StackHandle, channel: grpc.Channel, *, company: str = "") -> GrpcCaller:
    email = f"grpc.{secrets.token_hex(6)}@example.com"
    kind = common.ACCOUNT_KIND_COMPANY if company else common.ACCOUNT_KIND_STUDENT
    stub = AuthServiceStub(channel)
    request = auth.RegisterRequest(
        email=email, password=JOURNEY_PASSWORD, kind=kind, name="Grace Typed", company_name=company
    )
    stub.Register(request, timeout=TIMEOUT_S)
    mail = stack.await_mail(email)
    code = CODE_PATTERN.search(mail["text"])
    assert code is not None
    answer = stub.VerifyEmail(auth.VerifyEmailRequest(email=email, code=code.group(1)), timeout=TIMEOUT_S)
    return GrpcCaller(answer.data)


def _posting() -> internship.Internship:
    posting = internship.Internship()
    json_format.ParseDict(sample_listing("over gRPC"), posting)
    return posting


def test_the_whole_journey_works_with_typed_stubs(stack: StackHandle, channel: grpc.Channel) -> None:
    internships, applications = InternshipServiceStub(channel), ApplicationServiceStub(channel)
    owner, student = _join(stack, channel, company="Typed Works"), _join(stack, channel)

    draft = internships.CreateInternship(
        internship.CreateInternshipRequest(internship=_posting()),
        metadata=owner.metadata(once=True),
        timeout=TIMEOUT_S,
    )
    posted = internships.PublishInternship(
        internship.PublishInternshipRequest(internship_id=draft.id, etag=draft.etag),
        metadata=owner.metadata(once=True),
        timeout=TIMEOUT_S,
    )
    assert posted.state == internship.INTERNSHIP_STATE_PENDING_REVIEW
    posted = ModerationClient(stack.cluster).approve(draft.id).internship
    assert posted.state == internship.INTERNSHIP_STATE_OPEN

    me = user.Me(student=user.StudentProfile(headline="I like types"))
    UserServiceStub(channel).UpdateMe(
        user.UpdateMeRequest(me=me), metadata=student.metadata(once=True), timeout=TIMEOUT_S
    )
    submitted = applications.SubmitApplication(
        application.SubmitApplicationRequest(
            internship_id=posted.id, answers=[application.Answer(question_id="start", text="Now")]
        ),
        metadata=student.metadata(once=True),
        timeout=TIMEOUT_S,
    )
    assert submitted.status == application.STUDENT_STATUS_RECEIVED

    seen = applications.GetApplication(
        application.GetApplicationRequest(application_id=submitted.id),
        metadata=owner.metadata(),
        timeout=TIMEOUT_S,
    )
    assert seen.state == application.APPLICATION_STATE_IN_REVIEW
    assert seen.applicant.profile.headline == "I like types"
    for target in (application.APPLICATION_STATE_INTERVIEW, application.APPLICATION_STATE_OFFERED):
        seen = applications.MoveApplication(
            application.MoveApplicationRequest(application_id=seen.id, to=target, etag=seen.etag),
            metadata=owner.metadata(once=True),
            timeout=TIMEOUT_S,
        )
    hired = applications.AcceptOffer(
        application.AcceptOfferRequest(application_id=seen.id),
        metadata=student.metadata(once=True),
        timeout=TIMEOUT_S,
    )
    assert hired.status == application.STUDENT_STATUS_HIRED
    filled = internships.GetInternship(
        internship.GetInternshipRequest(internship_id=posted.id), metadata=owner.metadata(), timeout=TIMEOUT_S
    )
    assert filled.state == internship.INTERNSHIP_STATE_FILLED

    figures = AnalyticsServiceStub(channel)

    def hires() -> bool | None:
        funnel = figures.GetFunnel(
            analytics.GetFunnelRequest(internship_id=posted.id),
            metadata=owner.metadata(),
            timeout=TIMEOUT_S,
        )
        return {stage.stage: stage.reached for stage in funnel.stages}.get("HIRED") == 1 or None

    assert wait_for_result(hires, "the hire in the funnel")


def test_the_live_inbox_streams_what_arrives_and_resumes_after_its_last_entry(
    stack: StackHandle, channel: grpc.Channel
) -> None:
    owner, student = _join(stack, channel, company="Live Works"), _join(stack, channel)
    inbox = NotificationServiceStub(channel)
    stream = inbox.StreamNotifications(
        notification.StreamNotificationsRequest(), metadata=student.metadata(), timeout=30.0
    )
    internships = InternshipServiceStub(channel)
    draft = internships.CreateInternship(
        internship.CreateInternshipRequest(internship=_posting()),
        metadata=owner.metadata(),
        timeout=TIMEOUT_S,
    )
    internships.PublishInternship(
        internship.PublishInternshipRequest(internship_id=draft.id),
        metadata=owner.metadata(),
        timeout=TIMEOUT_S,
    )
    ModerationClient(stack.cluster).approve(draft.id)
    submitted = ApplicationServiceStub(channel).SubmitApplication(
        application.SubmitApplicationRequest(
            internship_id=draft.id, answers=[application.Answer(question_id="start", text="Now")]
        ),
        metadata=student.metadata(),
        timeout=TIMEOUT_S,
    )
    first = next(entry for entry in stream if entry.subject_id == submitted.id)
    stream.cancel()
    ApplicationServiceStub(channel).WithdrawApplication(
        application.WithdrawApplicationRequest(application_id=submitted.id),
        metadata=student.metadata(),
        timeout=TIMEOUT_S,
    )
    ApplicationServiceStub(channel).SubmitApplication(
        application.SubmitApplicationRequest(
            internship_id=draft.id, answers=[application.Answer(question_id="start", text="Again")]
        ),
        metadata=student.metadata(),
        timeout=TIMEOUT_S,
    )
    resumed = inbox.StreamNotifications(
        notification.StreamNotificationsRequest(last_notification_id=first.id),
        metadata=student.metadata(),
        timeout=30.0,
    )
    following = next(iter(resumed))
    resumed.cancel()
    assert following.id != first.id
    assert following.create_time.ToMilliseconds() >= first.create_time.ToMilliseconds()


def test_an_error_carries_its_reason_and_its_fields_in_the_trailers(channel: grpc.Channel) -> None:
    with pytest.raises(grpc.RpcError) as refused:
        AuthServiceStub(channel).Login(auth.LoginRequest(email="no address"), timeout=TIMEOUT_S)
    status = rpc_status.from_call(cast(grpc.Call, refused.value))
    assert status is not None
    info, bad = error_details_pb2.ErrorInfo(), error_details_pb2.BadRequest()
    for detail in status.details:
        for message in (info, bad):
            if detail.Is(message.DESCRIPTOR):
                detail.Unpack(message)
    assert (info.reason, info.domain) == ("INVALID_FIELD", "internshipconnect")
    assert {"email", "password"} <= {violation.field for violation in bad.field_violations}


def test_calls_between_services_are_refused_at_the_gateway_and_by_the_service_itself(
    stack: StackHandle, channel: grpc.Channel
) -> None:
    request = internship.TakeOpeningRequest(
        internship_id="int_01ARZ3NDEKTSV4RRFFQ69G5FAV", application_id="app_01ARZ3NDEKTSV4RRFFQ69G5FAV"
    )
    with pytest.raises(grpc.RpcError) as unreachable:
        InternshipServiceStub(channel).TakeOpening(request, timeout=TIMEOUT_S)
    assert unreachable.value.code() is grpc.StatusCode.UNIMPLEMENTED
    student = _join(stack, channel)
    with grpc.insecure_channel(stack.grpc_address("internship")) as direct:
        for metadata, code in (
            ((), grpc.StatusCode.UNAUTHENTICATED),
            (student.metadata(), grpc.StatusCode.PERMISSION_DENIED),
        ):
            with pytest.raises(grpc.RpcError) as refused:
                InternshipServiceStub(direct).TakeOpening(request, metadata=metadata, timeout=TIMEOUT_S)
            assert refused.value.code() is code


@pytest.mark.parametrize(
    "service", ["auth", "user", "internship", "application", "notification", "analytics"]
)
def test_every_service_says_that_it_serves_and_describes_itself(stack: StackHandle, service: str) -> None:
    with grpc.insecure_channel(stack.grpc_address(service)) as direct:
        check = direct.unary_unary(
            "/grpc.health.v1.Health/Check",
            request_serializer=health_pb2.HealthCheckRequest.SerializeToString,
            response_deserializer=health_pb2.HealthCheckResponse.FromString,
        )
        health = check(health_pb2.HealthCheckRequest(), timeout=TIMEOUT_S)
        assert health.status == health_pb2.HealthCheckResponse.SERVING
        names = ProtoReflectionDescriptorDatabase(direct).get_services()
    assert f"internshipconnect.{service}.v1.{service.capitalize()}Service" in names
