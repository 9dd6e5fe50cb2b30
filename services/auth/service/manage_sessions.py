"""The sessions of an account, as its owner sees and ends them."""

from typing import Final

from chassis.aggregates import AggregateChange
from chassis.clock import Clock
from chassis.errors import domain_error
from services.auth.domain.sessions import EndReason, Session
from services.auth.repository import SessionRepository
from services.auth.service.token_issuer import SessionRevoker

MAX_LISTED_SESSIONS: Final = 100


class ManageSessions:
    """Lists and ends sessions."""

    def __init__(self, sessions: SessionRepository, revocations: SessionRevoker, clock: Clock) -> None:
        self._sessions = sessions
        self._revocations = revocations
        self._clock = clock

    async def list_sessions(self, user_id: str) -> list[Session]:
        """Return the user's live sessions, the one used last first; at most 100."""
        return await self._sessions.list_live_sessions(user_id, self._clock.now(), MAX_LISTED_SESSIONS)

    async def end_session(self, user_id: str, session_id: str) -> None:
        """End one of the user's sessions; raises SESSION_NOT_FOUND for another's. An ended one stays so."""

        def decide(session: Session | None) -> AggregateChange[Session] | None:
            if session is None or session.user_id != user_id:
                raise _session_not_found()
            if session.end_time is not None:
                return None
            return AggregateChange(session.end(EndReason.ENDED_BY_OWNER, self._clock.now()))

        await self._sessions.upsert(session_id, decide)
        await self._revocations.revoke([session_id])

    async def end_other_sessions(self, user_id: str, kept: str) -> int:
        """End all live sessions of the user but one; return how many."""
        ended = await self._sessions.end_other_sessions(user_id, kept, self._clock.now())
        await self._revocations.revoke(ended)
        return len(ended)


def _session_not_found() -> Exception:
    return domain_error("SESSION_NOT_FOUND", "There is no such session of yours.")
