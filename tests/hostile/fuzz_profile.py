"""How long and how hard the fuzz tests try: a short form for every test run, a long one for `ic fuzz`."""

import os
import time
from collections.abc import Iterator, Sequence
from typing import Final, TypeVar

from hypothesis import HealthCheck, Phase, settings

T = TypeVar("T")

FUZZ_SEED: Final = int(os.environ.get("IC_FUZZ_SEED", "1"))
"""The same seed gives the same requests in the same order."""
FUZZ_MINUTES: Final = float(os.environ.get("IC_FUZZ_MINUTES", "0"))
"""The duration of all fuzz tests together, in minutes; 0 is the short form."""
IS_LONG_RUN: Final = FUZZ_MINUTES > 0
MAX_TEST_S: Final = 60 * FUZZ_MINUTES + 180
_FUZZ_TEST_COUNT: Final = 2


def fuzz_rounds(works: Sequence[T]) -> Iterator[tuple[int, T]]:
    """Yield each work with a seed: once in the short form, in the long one repeatedly while there is time."""
    ends = time.monotonic() + 60 * FUZZ_MINUTES / _FUZZ_TEST_COUNT
    number = FUZZ_SEED
    while True:
        for work in works:
            yield number, work
            if IS_LONG_RUN and time.monotonic() > ends:
                return
        if not IS_LONG_RUN:
            return
        number += 1


def hypothesis_settings(few: int, many: int) -> settings:
    """Return hypothesis's settings: `few` examples in the short form; `many` in the long one, which also
    shrinks."""
    return settings(
        max_examples=many if IS_LONG_RUN else few,
        database=None,
        deadline=None,
        print_blob=False,
        report_multiple_bugs=False,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.generate, Phase.shrink] if IS_LONG_RUN else [Phase.generate],
    )
