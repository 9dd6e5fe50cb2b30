"""Issues codes that prove that somebody reads an address's mail, and checks those that come back."""

from collections.abc import Sequence

from chassis.clock import Clock
from services.auth.domain.codes import (
    CODE_LIFE,
    CodeGuesses,
    SentCode,
    digest_client,
    digest_code,
    new_code,
)
from services.auth.domain.visitor import Visitor
from services.auth.repository import AccountRepository


class CodeBook:
    """Codes for one purpose: a code for another one is none here."""

    def __init__(
        self, accounts: AccountRepository, code_keys: Sequence[bytes], clock: Clock, *, purpose: str
    ) -> None:
        self._accounts = accounts
        self._keys = tuple(code_keys)
        self._clock = clock
        self._purpose = purpose

    async def count_guesses(self, address: str, visitor: Visitor, *, spend: int) -> CodeGuesses:
        """Return how many codes were tried for an address lately, `spend` more included.

        Count a guess before it is checked, also for an address that nobody has.
        """
        client = digest_client(self._keys[0], "", visitor.client).client.hex()
        return await self._accounts.count_guesses(address, client, spend=spend, now=self._clock.now())

    def issue(self, user_id: str, email: str, guesses: CodeGuesses, visitor: Visitor) -> tuple[str, SentCode]:
        """Return a new code for an address, and the form of it to store."""
        code = new_code()
        sent = SentCode(
            email=email,
            digest=self._digest(self._keys[0], user_id, code),
            guesses_before=guesses.total,
            own_guesses_before=guesses.by_client,
            expire_time=self._clock.now() + CODE_LIFE,
            asked_from=digest_client(self._keys[0], user_id, visitor.client),
        )
        return code, sent

    def is_right(
        self, sent: SentCode | None, user_id: str, code: str, guesses: CodeGuesses, visitor: Visitor
    ) -> bool:
        """Return whether a guess, which `guesses` include, is the code that was sent."""
        now = self._clock.now()
        proofs = [
            (self._digest(key, user_id, code), digest_client(key, user_id, visitor.client))
            for key in self._keys
        ]
        return sent is not None and any(
            sent.is_proven_by(digest, guesses, guesser, now) for digest, guesser in proofs
        )

    def _digest(self, key: bytes, user_id: str, code: str) -> bytes:
        return digest_code(key, f"{user_id}:{self._purpose}", code)
