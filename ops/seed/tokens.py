"""Access tokens of a running stack, without the login that each would cost."""

from datetime import UTC, datetime, timedelta

import jwt

from chassis.caller import Principal
from chassis.ids import new_id
from chassis.runtime import Resources
from chassis.settings import key_bytes
from services.auth.keyring import KeyRing
from services.auth.settings import Settings as AuthSettings
from services.auth.store import KeyStore
from services.auth.vault import Vault


class Minting:
    """Makes access tokens that outlive a test or a measurement, signed with the stack's own key."""

    def __init__(self, auth: Resources[AuthSettings]) -> None:
        vault = Vault(key_bytes(auth.settings.data_key))
        self._keys = KeyRing(KeyStore(auth.shards), vault, auth.clock, auth.settings.key_rotation)

    async def token(self, person: Principal, life: timedelta = timedelta(hours=2)) -> str:
        """A token of this person that is good for `life` from now on; a negative one has expired."""
        signer = await self._keys.signer()
        now = datetime.now(UTC)
        claims = {
            "iss": "internshipconnect",
            "aud": "internshipconnect",
            "sub": person.id,
            "sid": new_id("ses"),
            "kind": person.kind,
            "role": person.role,
            "org": person.org,
            "plan": person.plan,
            "email_verified": True,
            "amr": ["pwd"],
            "auth_time": int(now.timestamp()),
            "iat": int((now - timedelta(minutes=1)).timestamp()) - max(0, -int(life.total_seconds())),
            "exp": int((now + life).timestamp()),
        }
        return jwt.encode(claims, signer.private_key, algorithm="ES256", headers={"kid": signer.kid})
