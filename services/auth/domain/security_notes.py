"""What a change of an account, or of a session, has to say in the record of security events: pure."""

from services.auth.domain.accounts import Account, AccountHolder, AccountState
from services.auth.domain.api_keys import ApiKey
from services.auth.domain.security_events import SecurityNote, SecurityVerb, redact_address
from services.auth.domain.sessions import EndReason, Session


def account_notes(before: Account | None, after: Account | None) -> tuple[SecurityNote, ...]:
    """Return what a change of an account has to say.

    Of an account that nobody has proven it is only what staff does. It follows from the two states, so that
    no use case can leave it out.
    """
    if after is None:
        return ()
    if before is None or not before.is_proven:
        found = _opening_notes(before, after)
    else:
        found = _notes_on_proven(before, after)
    return tuple(note for note in found if note is not None)


def _notes_on_proven(before: Account, after: Account) -> tuple[SecurityNote | None, ...]:
    return (
        _rights_note(before, after),
        _state_note(before, after),
        _address_note(before, after),
        _password_note(before, after),
        _factor_note(before, after),
        _recovery_note(before, after),
        _identity_note(before, after),
        _passkey_note(before, after),
        _plan_note(before, after),
        _membership_note(before, after),
    )


def session_notes(before: Session | None, after: Session | None) -> tuple[SecurityNote, ...]:
    """Return what a change of a session has to say: its end, or that its owner was proven again."""
    if before is None or after is None:
        return ()
    if before.end_time is None and after.end_time is not None:
        return (SecurityNote(SecurityVerb.SESSION_ENDED, after.id, after=str(after.end_reason or "")),)
    if before.auth_time != after.auth_time:
        return (SecurityNote(SecurityVerb.REAUTHENTICATED, after.id, _methods(before), _methods(after)),)
    return ()


def sign_in_note(session: Session) -> SecurityNote:
    """Return the note that a session has begun."""
    return SecurityNote(SecurityVerb.SIGNED_IN, session.id, after=_methods(session))


def sessions_ended_note(count: int, reason: EndReason) -> SecurityNote:
    """Return the note that several sessions have ended at once."""
    return SecurityNote(SecurityVerb.SESSIONS_ENDED, after=f"{count} {reason}")


def api_key_note(verb: SecurityVerb, key: ApiKey) -> SecurityNote:
    """Return the note that a member has made or revoked a key of their company; it names its scopes."""
    scopes = " ".join(key.scopes)
    is_new = verb is SecurityVerb.API_KEY_CREATED
    return SecurityNote(verb, key.id, before="" if is_new else scopes, after=scopes if is_new else "")


def failures_note(failures: int) -> SecurityNote:
    """Return the note that a caller has used up the failed sign-ins of a quarter of an hour."""
    return SecurityNote(SecurityVerb.SIGN_INS_FAILED, after=f"{failures} or more")


def _opening_notes(before: Account | None, after: Account) -> tuple[SecurityNote | None, ...]:
    if after.is_staff:
        return (SecurityNote(SecurityVerb.STAFF_RIGHTS_GIVEN, after=after.holder.kind),)
    if before is None:
        return ()
    if after.email_verified:
        return (SecurityNote(SecurityVerb.ADDRESS_VERIFIED, after=redact_address(after.email)),)
    return (_state_note(before, after), _plan_note(before, after))


def _rights_note(before: Account, after: Account) -> SecurityNote | None:
    had, has = _staff_kind(before), _staff_kind(after)
    if had == has:
        return None
    verb = SecurityVerb.STAFF_RIGHTS_GIVEN if has else SecurityVerb.STAFF_RIGHTS_TAKEN
    return SecurityNote(verb, before=had, after=has)


def _staff_kind(account: Account) -> str:
    return account.holder.kind if account.is_staff and account.state is not AccountState.SUSPENDED else ""


def _state_note(before: Account, after: Account) -> SecurityNote | None:
    if before.state is after.state or after.is_staff:
        return None
    if after.state is AccountState.SUSPENDED:
        return SecurityNote(SecurityVerb.SUSPENDED, after.state_reason, before.state, after.state)
    if before.state is AccountState.SUSPENDED:
        return SecurityNote(SecurityVerb.RESTORED, after.state_reason, before.state, after.state)
    return None


def _address_note(before: Account, after: Account) -> SecurityNote | None:
    if before.email == after.email:
        return None
    former, present = redact_address(before.email), redact_address(after.email)
    return SecurityNote(SecurityVerb.ADDRESS_CHANGED, before=former, after=present)


def _password_note(before: Account, after: Account) -> SecurityNote | None:
    """Return the note of another password; the same password with another hash is none."""
    is_other = before.password_hash != after.password_hash and before.credential != after.credential
    return SecurityNote(SecurityVerb.PASSWORD_REPLACED) if is_other else None


def _factor_note(before: Account, after: Account) -> SecurityNote | None:
    if before.needs_second_factor == after.needs_second_factor:
        return None
    added = after.needs_second_factor
    verb = SecurityVerb.SECOND_FACTOR_ADDED if added else SecurityVerb.SECOND_FACTOR_REMOVED
    return SecurityNote(verb, "authenticator app")


def _recovery_note(before: Account, after: Account) -> SecurityNote | None:
    if before.needs_second_factor != after.needs_second_factor:
        return None
    had, has = len(before.recovery_codes), len(after.recovery_codes)
    # The codes themselves are encrypted again when the data key is replaced.
    is_renewed = before.recovery_series != after.recovery_series
    if had == has and not is_renewed:
        return None
    verb = SecurityVerb.RECOVERY_CODES_RENEWED if is_renewed else SecurityVerb.RECOVERY_CODE_USED
    return SecurityNote(verb, before=f"{had} left", after=f"{has} left")


def _identity_note(before: Account, after: Account) -> SecurityNote | None:
    """Return the note of the identity that was linked or unlinked; a change is of one."""
    had, has = set(before.identities), set(after.identities)
    if had == has:
        return None
    verb = SecurityVerb.IDENTITY_LINKED if has - had else SecurityVerb.IDENTITY_UNLINKED
    changed = next(iter(has ^ had))
    return SecurityNote(verb, changed.id, after=f"{changed.provider_id} {redact_address(changed.email)}")


def _passkey_note(before: Account, after: Account) -> SecurityNote | None:
    """Return the note of the passkey that was added, removed or refused; a change is of one."""
    had, has = ({each.id: each for each in account.passkeys} for account in (before, after))
    if changed := next(iter(has.keys() ^ had.keys()), None):
        if changed in has:
            return SecurityNote(SecurityVerb.PASSKEY_ADDED, changed, after=has[changed].name)
        return SecurityNote(SecurityVerb.PASSKEY_REMOVED, changed, before=had[changed].name)
    refused = [each for each in has.values() if each.is_refused and not had[each.id].is_refused]
    return SecurityNote(SecurityVerb.PASSKEY_REFUSED, refused[0].id) if refused else None


def _plan_note(before: Account, after: Account) -> SecurityNote | None:
    had, has = before.effective_plan, after.effective_plan
    return None if had is has else SecurityNote(SecurityVerb.PLAN_CHANGED, before=had, after=has)


def _membership_note(before: Account, after: Account) -> SecurityNote | None:
    had, has = before.holder, after.holder
    if (had.company_id, had.role) == (has.company_id, has.role):
        return None
    target = has.company_id or had.company_id
    return SecurityNote(SecurityVerb.MEMBERSHIP_CHANGED, target, _role(had), _role(has))


def _role(holder: AccountHolder) -> str:
    return holder.role or ""


def _methods(session: Session) -> str:
    return " ".join(session.amr)
