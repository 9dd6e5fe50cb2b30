"""Access tokens of a running stack, without the cost of a login."""

from datetime import UTC, datetime, timedelta

import jwt

from chassis.call_context import Principal
from chassis.ids import new_id
from chassis.security.data_keys import DataKeys
from chassis.service_definition import ServiceResources
from services.auth.key_store import KeyStore
from services.auth.keyring import KeyRing
from services.auth.repository import SigningKeyRepository
from services.auth.service.token_issuer import PASSWORD_AMR
from services.auth.settings import AuthSettings


class SeedTokenIssuer:
    """Issues access tokens that outlive a test or a measurement, signed with the stack's own key."""

    def __init__(self, auth: ServiceResources[AuthSettings]) -> None:
        self._issuer = auth.settings.public_url
        key_store = KeyStore(DataKeys.from_settings(auth.settings))
        self._keys = KeyRing(
            SigningKeyRepository(auth.shards), key_store, auth.clock, auth.settings.key_rotation
        )

    async def issue(self, person: Principal, life: timedelta = timedelta(hours=2)) -> str:
        """Return a token of this person with a lifetime from now on; a negative one has expired."""
        signer = await self._keys.current_signer()
        now = datetime.now(UTC)
        claims = {
            "iss": self._issuer,
            "aud": "internshipconnect",
            "sub": person.id,
            "sid": new_id("ses"),
            "kind": person.kind,
            "role": person.role,
            "org": person.org,
            "plan": person.plan,
            "email_verified": True,
            "amr": list(person.amr or PASSWORD_AMR),
            "auth_time": int(now.timestamp()),
            "iat": int((now - timedelta(minutes=1)).timestamp()) - max(0, -int(life.total_seconds())),
            "exp": int((now + life).timestamp()),
        }
        return jwt.encode(claims, signer.private_key, algorithm="ES256", headers={"kid": signer.kid})
