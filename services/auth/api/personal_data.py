"""What the service holds of a person, for the service that puts a person's copy together."""

from chassis.grpc.personal_data import PersonalDataRpcs
from internshipconnect.auth.v1.personal_data_pb2_grpc import AuthPersonalDataServiceServicer


class AuthPersonalDataServicer(PersonalDataRpcs, AuthPersonalDataServiceServicer):
    """Answers the RPC of `AuthPersonalDataService`."""
