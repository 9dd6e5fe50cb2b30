"""`ic accounts`: mistakes end in a sentence before anything is opened."""

import pytest

from ops.commands import accounts
from ops.errors import OpsError


def test_an_unknown_role_is_refused_with_those_that_there_are() -> None:
    with pytest.raises(OpsError, match="there is no staff role 'boss'; there are moderator, admin"):
        accounts.create_staff("maria@example.org", role="boss")


def test_an_unknown_plan_is_refused_with_those_that_there_are() -> None:
    with pytest.raises(OpsError, match="there is no plan 'gold'; there are FREE, PREMIUM, PRO, ADMIN"):
        accounts.set_plan("maria@example.org", "gold")
