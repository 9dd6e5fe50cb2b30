"""The gRPC interface of companies' people: each method parses, calls a use case and maps its answer."""

from chassis.call_context import current_call, current_principal
from chassis.grpc.handlers import RpcContext
from chassis.languages import preferred_language
from internshipconnect.user.v1 import companies_pb2 as pb
from internshipconnect.user.v1.companies_pb2_grpc import CompanyServiceServicer
from services.user.domain.invitations import Invitation
from services.user.service.team_use_cases import TeamUseCases
from services.user.team_mapping import (
    invitation_message,
    invitation_offer_message,
    member_message,
    method_from_number,
    role_from_number,
    verification_message,
)


class CompanyServicer(CompanyServiceServicer):
    """`CompanyService` of the contract."""

    def __init__(self, cases: TeamUseCases) -> None:
        self._members = cases.members
        self._invitations = cases.invitations
        self._verification = cases.verification
        self._clock = cases.clock

    # --- members

    async def ListMembers(
        self, request: pb.ListMembersRequest, context: RpcContext
    ) -> pb.ListMembersResponse:
        cards = await self._members.list_members(current_principal())
        return pb.ListMembersResponse(data=map(member_message, cards))

    async def UpdateMemberRole(
        self, request: pb.UpdateMemberRoleRequest, context: RpcContext
    ) -> pb.CompanyMember:
        role = role_from_number(request.role)
        return member_message(await self._members.update_role(current_principal(), request.user_id, role))

    async def RemoveMember(
        self, request: pb.RemoveMemberRequest, context: RpcContext
    ) -> pb.RemoveMemberResponse:
        await self._members.remove(current_principal(), request.user_id)
        return pb.RemoveMemberResponse()

    async def LeaveCompany(
        self, request: pb.LeaveCompanyRequest, context: RpcContext
    ) -> pb.LeaveCompanyResponse:
        await self._members.leave(current_principal())
        return pb.LeaveCompanyResponse()

    async def TransferOwnership(
        self, request: pb.TransferOwnershipRequest, context: RpcContext
    ) -> pb.TransferOwnershipResponse:
        owner, former = await self._members.transfer_ownership(current_principal(), request.user_id)
        return pb.TransferOwnershipResponse(owner=member_message(owner), former_owner=member_message(former))

    # --- invitations

    async def InviteMember(self, request: pb.InviteMemberRequest, context: RpcContext) -> pb.Invitation:
        role = role_from_number(request.role)
        return self._invitation_message(
            await self._invitations.invite(current_principal(), request.email, role, _caller_language())
        )

    async def ListInvitations(
        self, request: pb.ListInvitationsRequest, context: RpcContext
    ) -> pb.ListInvitationsResponse:
        invitations = await self._invitations.list_invitations(current_principal())
        return pb.ListInvitationsResponse(data=map(self._invitation_message, invitations))

    async def RevokeInvitation(
        self, request: pb.RevokeInvitationRequest, context: RpcContext
    ) -> pb.Invitation:
        return self._invitation_message(
            await self._invitations.revoke(current_principal(), request.invitation_id)
        )

    async def ResendInvitation(
        self, request: pb.ResendInvitationRequest, context: RpcContext
    ) -> pb.Invitation:
        return self._invitation_message(
            await self._invitations.resend(current_principal(), request.invitation_id, _caller_language())
        )

    async def GetInvitation(
        self, request: pb.GetInvitationRequest, context: RpcContext
    ) -> pb.InvitationOffer:
        offer = await self._invitations.look_up(request.invitation_token)
        return invitation_offer_message(offer, self._clock.now())

    async def AcceptInvitation(
        self, request: pb.AcceptInvitationRequest, context: RpcContext
    ) -> pb.CompanyMember:
        return member_message(await self._invitations.accept(current_principal(), request.invitation_token))

    async def DeclineInvitation(
        self, request: pb.DeclineInvitationRequest, context: RpcContext
    ) -> pb.DeclineInvitationResponse:
        await self._invitations.decline(request.invitation_token)
        return pb.DeclineInvitationResponse()

    # --- verification

    async def RequestCompanyVerification(
        self, request: pb.RequestCompanyVerificationRequest, context: RpcContext
    ) -> pb.CompanyVerification:
        method = method_from_number(request.method)
        return verification_message(
            await self._verification.request(current_principal(), request.domain, method)
        )

    async def GetCompanyVerification(
        self, request: pb.GetCompanyVerificationRequest, context: RpcContext
    ) -> pb.CompanyVerification:
        return verification_message(await self._verification.get_verification(current_principal()))

    async def CheckCompanyVerification(
        self, request: pb.CheckCompanyVerificationRequest, context: RpcContext
    ) -> pb.CompanyVerification:
        return verification_message(await self._verification.check(current_principal()))

    def _invitation_message(self, invitation: Invitation) -> pb.Invitation:
        return invitation_message(invitation, self._clock.now())


def _caller_language() -> str:
    return preferred_language(current_call().metadata_text("accept-language"))
