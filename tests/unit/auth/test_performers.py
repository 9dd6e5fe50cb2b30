"""Who is recorded as the performer of a change."""

import contextvars
from collections.abc import Callable

import pytest

from chassis.call_context import CallContext, Principal, bind_call
from services.auth.domain.security_events import Performer, PerformerKind
from services.auth.performers import OPERATOR_KIND, current_performer, proven_owner

OWNER = Principal("usr_1", "STUDENT")


def in_call(call: CallContext, ask: Callable[[str], Performer]) -> Performer:
    """Return whom `ask` names in a call about the account usr_1."""

    def run() -> Performer:
        bind_call(call)
        return ask("usr_1")

    return contextvars.copy_context().run(run)


@pytest.mark.parametrize(
    ("principal", "expected"),
    [
        (OWNER, Performer(PerformerKind.OWNER, "usr_1", request_id="req")),
        (None, Performer(PerformerKind.OWNER, "usr_1", request_id="req")),
        (Principal("auth", "SERVICE"), Performer(PerformerKind.SERVICE, "auth", request_id="req")),
        (Principal("usr_9", "ADMIN"), Performer(PerformerKind.STAFF, "usr_9", request_id="req")),
        (Principal("maria", OPERATOR_KIND), Performer(PerformerKind.OPERATOR, "maria", request_id="req")),
        (
            Principal("usr_2", "COMPANY", role="OWNER", org="cmp_1"),
            Performer(PerformerKind.MEMBER, "usr_2", "cmp_1", request_id="req"),
        ),
        # An operator who takes the name of the account is an operator.
        (Principal("usr_1", OPERATOR_KIND), Performer(PerformerKind.OPERATOR, "usr_1", request_id="req")),
    ],
)
def test_the_performer_is_the_caller(principal: Principal | None, expected: Performer) -> None:
    call = CallContext(request_id="req", principal=principal)
    assert in_call(call, current_performer) == expected


def test_outside_of_a_call_it_is_the_service() -> None:
    assert current_performer("usr_1").kind is PerformerKind.SERVICE


def test_who_has_proven_a_password_is_the_owner_under_whichever_token_the_call_came() -> None:
    call = CallContext(principal=Principal("usr_9", "ADMIN"))
    assert in_call(call, proven_owner).kind is PerformerKind.OWNER
