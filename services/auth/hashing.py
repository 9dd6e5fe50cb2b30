"""Argon2id on threads: one per core, with a bounded queue before them."""

import asyncio
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Final, TypeVar

from argon2 import Parameters, PasswordHasher, Type
from argon2.exceptions import VerifyMismatchError

from chassis.errors import overloaded
from services.auth.domain.passwords import canonical_password, check_password

T = TypeVar("T")

OWASP_FLOOR: Final = Parameters(
    type=Type.ID, version=19, salt_len=16, hash_len=32, time_cost=2, memory_cost=19 * 1024, parallelism=1
)
_RETRY_AFTER_S: Final = 2.0


class Argon2Hasher:
    """Hashes and verifies passwords; Argon2 releases the GIL, so threads use all cores.

    `queue` calls may wait for one of the `threads`. Methods raise DomainError OVERLOADED beyond that.
    """

    def __init__(self, *, threads: int, queue: int, parameters: Parameters = OWASP_FLOOR) -> None:
        self._hasher = PasswordHasher.from_parameters(parameters)
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="argon2")
        self._bound = threads + queue
        self._running = 0
        # Verified when there is no account, so that an unknown address costs the same as a known one.
        self._dummy_hash = self._hasher.hash("nobody's password")

    async def hash_new_password(
        self,
        password: str,
        *,
        about: Iterable[str],
        field: str = "password",
        has_second_factor: bool = False,
    ) -> str:
        """Return the hash of a new password. Raises INVALID_FIELD if it is too weak (`check_password`)."""

        def check_and_hash() -> str:
            check_password(password, about=about, field=field, has_second_factor=has_second_factor)
            return self._hasher.hash(canonical_password(password))

        return await self._run_in_pool(check_and_hash)

    async def rehash_password(self, password: str) -> str:
        """Return the hash of a password in use, by today's parameters."""
        return await self._run_in_pool(lambda: self._hasher.hash(canonical_password(password)))

    async def verify_password(self, password: str, password_hash: str | None) -> bool:
        """Return whether the password is the hash's; without a hash False, after the same work."""
        matches = await self._run_in_pool(lambda: self._matches(password, password_hash or self._dummy_hash))
        return matches and password_hash is not None

    def is_outdated(self, password_hash: str) -> bool:
        """Return whether a hash was made with parameters other than today's."""
        return self._hasher.check_needs_rehash(password_hash)

    async def close(self) -> None:
        """Finish running calls and drop waiting ones."""
        await asyncio.to_thread(self._pool.shutdown, cancel_futures=True)

    def _matches(self, password: str, password_hash: str) -> bool:
        try:
            return self._hasher.verify(password_hash, canonical_password(password))
        except VerifyMismatchError:
            return False

    async def _run_in_pool(self, call: Callable[[], T]) -> T:
        if self._running >= self._bound:
            raise overloaded("Signing in", _RETRY_AFTER_S)
        self._running += 1
        future = self._pool.submit(call)
        future.add_done_callback(self._release_on(asyncio.get_running_loop()))
        return await asyncio.wrap_future(future)

    def _release_on(self, loop: asyncio.AbstractEventLoop) -> Callable[[Future[T]], None]:
        # The slot is free when the thread is, not when the caller has given up.
        def release(_: Future[T]) -> None:
            if not loop.is_closed():
                loop.call_soon_threadsafe(self._release_slot)

        return release

    def _release_slot(self) -> None:
        self._running -= 1
