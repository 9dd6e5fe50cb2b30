"""Other people's accounts, for administrators."""

from chassis.grpc.handlers import RpcContext
from internshipconnect.auth.v1 import administration_pb2 as pb
from internshipconnect.auth.v1.administration_pb2_grpc import AdministrationServiceServicer
from services.auth import mapping
from services.auth.service.administer_accounts import AdministerAccounts
from services.auth.service.manage_company_plans import ManageCompanyPlans


class AdministrationServicer(AdministrationServiceServicer):
    """Answers the RPCs of `AdministrationService`."""

    def __init__(self, administration: AdministerAccounts, company_plans: ManageCompanyPlans) -> None:
        self._administration = administration
        self._company_plans = company_plans

    async def GetAccount(self, request: pb.GetAccountRequest, context: RpcContext) -> pb.AccountDetails:
        return mapping.account_details_message(await self._administration.get_account(request.user_id))

    async def FindAccount(self, request: pb.FindAccountRequest, context: RpcContext) -> pb.AccountDetails:
        return mapping.account_details_message(await self._administration.find_account(request.email))

    async def SetPlan(self, request: pb.SetPlanRequest, context: RpcContext) -> pb.AccountDetails:
        plan = mapping.plan_from_number(request.plan)
        return mapping.account_details_message(await self._administration.set_plan(request.user_id, plan))

    async def SetCompanyPlan(self, request: pb.SetCompanyPlanRequest, context: RpcContext) -> pb.CompanyPlan:
        plan = mapping.plan_from_number(request.plan)
        return mapping.company_plan_message(*await self._company_plans.set_plan(request.company_id, plan))

    async def SuspendAccount(
        self, request: pb.SuspendAccountRequest, context: RpcContext
    ) -> pb.AccountDetails:
        suspended = await self._administration.suspend(request.user_id, request.reason)
        return mapping.account_details_message(suspended)

    async def RestoreAccount(
        self, request: pb.RestoreAccountRequest, context: RpcContext
    ) -> pb.AccountDetails:
        restored = await self._administration.restore(request.user_id, request.reason)
        return mapping.account_details_message(restored)
