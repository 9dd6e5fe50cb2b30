"""The public keys of people's tokens, fetched from the service that signs them."""

from chassis.grpc.client import Peers
from chassis.security.jwks import FetchedKeySource, PublicKeys, parse_public_keys
from internshipconnect.auth.v1 import auth_pb2
from internshipconnect.auth.v1.auth_pb2_grpc import AuthServiceStub

_JWK_MEMBERS = ("kty", "crv", "kid", "use", "alg", "x", "y")


def user_key_source(peers: Peers) -> FetchedKeySource:
    """Return the key source that fetches the keys of the peer `auth` when needed."""
    stub = AuthServiceStub(peers.channel("auth"))

    async def fetch() -> PublicKeys:
        answer = await stub.GetJwks(auth_pb2.GetJwksRequest())
        return parse_public_keys(
            {member: getattr(key, member) for member in _JWK_MEMBERS} for key in answer.keys
        )

    return FetchedKeySource(fetch)
