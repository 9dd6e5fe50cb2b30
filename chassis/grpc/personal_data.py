"""The RPC by which a service lists what it holds of a person, the same in each service."""

from chassis.grpc.handlers import RpcContext
from chassis.page_tokens import PageTokens
from chassis.personal_data import DataPosition, PersonalDataSource
from internshipconnect.common.v1 import personal_data_pb2 as pb


class PersonalDataRpcs:
    """Answers `ListPersonalData`; each service's servicer is this and the generated base class."""

    def __init__(self, source: PersonalDataSource, page_tokens: PageTokens) -> None:
        self._source = source
        self._page_tokens = page_tokens

    async def ListPersonalData(
        self, request: pb.ListPersonalDataRequest, context: RpcContext
    ) -> pb.ListPersonalDataResponse:
        values = self._page_tokens.decode(request, request.page_token)
        position = DataPosition(str(values[0]), str(values[1])) if values else None
        page = await self._source.list_page(request.user_id, position)
        following = page.next_position
        return pb.ListPersonalDataResponse(
            records=[pb.PersonalRecord(collection=each.collection, json=each.json) for each in page.records],
            next_page_token=(
                self._page_tokens.encode(request, [following.collection, following.after])
                if following
                else ""
            ),
        )
