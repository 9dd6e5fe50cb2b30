"""What the auth service holds of a person, for the person's own copy: account, sessions, security events.

Named field by field, so that a new secret of an account is left out until somebody adds it here.
"""

from chassis.personal_data import (
    MAX_RECORDS_PER_PAGE,
    JsonFields,
    PersonalDataSection,
    SectionedPersonalData,
    SectionPage,
    personal_fields,
    read_single,
    section_page,
)
from services.auth.domain.accounts import Account
from services.auth.domain.security_events import PerformerKind, SecurityEvent
from services.auth.domain.sessions import Session
from services.auth.repository import AccountRepository, SecurityEventRepository, SessionRepository

_PASSKEY_SECRETS = ("credential_id", "public_key", "sign_count")
_SESSION_SECRETS = ("user_id", "credential", "token_digest", "client")


class ListAccountData:
    """Reads the sections, which `source` holds together."""

    def __init__(
        self, accounts: AccountRepository, sessions: SessionRepository, events: SecurityEventRepository
    ) -> None:
        self._accounts = accounts
        self._sessions = sessions
        self._events = events

    @property
    def source(self) -> SectionedPersonalData:
        """All that is listed of a person."""
        return SectionedPersonalData(
            PersonalDataSection("account", read_single(self._find_account)),
            PersonalDataSection("sessions", self._read_sessions),
            PersonalDataSection("security-events", self._read_events),
        )

    async def _find_account(self, user_id: str) -> JsonFields | None:
        found = await self._accounts.get(user_id)
        return None if found is None else account_fields(found)

    async def _read_sessions(self, user_id: str, after: str) -> SectionPage:
        rows = await self._sessions.list_sessions(user_id, after_id=after, limit=MAX_RECORDS_PER_PAGE)
        return section_page(rows, MAX_RECORDS_PER_PAGE, session_fields, lambda session: session.id)

    async def _read_events(self, user_id: str, after: str) -> SectionPage:
        rows = await self._events.list_events(
            user_id, below=int(after) if after else None, limit=MAX_RECORDS_PER_PAGE
        )
        return section_page(
            rows, MAX_RECORDS_PER_PAGE, security_event_fields, lambda event: str(event.number)
        )


def account_fields(account: Account) -> JsonFields:
    """Return an account as its owner may have it: without password, codes and second factors' secrets."""
    return {
        "id": account.id,
        "email": account.email,
        "state": account.state.value,
        "plan": account.plan.value,
        "holder": personal_fields(account.holder),
        "locale": account.locale,
        "hasSecondFactor": account.needs_second_factor,
        "passkeys": [personal_fields(each, without=_PASSKEY_SECRETS) for each in account.passkeys],
        "createTime": account.create_time.isoformat(),
        "updateTime": account.update_time.isoformat(),
        "verifyTime": account.verify_time.isoformat() if account.verify_time else None,
    }


def session_fields(session: Session) -> JsonFields:
    """Return a session without what its token is known by."""
    return personal_fields(session, without=_SESSION_SECRETS)


def security_event_fields(event: SecurityEvent) -> JsonFields:
    """Return a security event as its subject reads it: of others who performed it the kind only."""
    performer, note = event.performer, event.note
    shows_place = performer.kind in (PerformerKind.OWNER, PerformerKind.UNKNOWN)
    return {
        "number": event.number,
        "time": event.time.isoformat(),
        "verb": note.verb.value,
        "performer": performer.kind.value,
        "actingFor": performer.acting_for,
        "area": performer.area if shows_place else "",
        "target": note.target,
        "before": note.before,
        "after": note.after,
    }
