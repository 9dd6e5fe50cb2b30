"""How long and how hard the fuzz tests try: a short form for every test run, a long one for `ic fuzz`."""

import os
import time
from collections.abc import Iterator, Sequence
from typing import Final, TypeVar

from hypothesis import HealthCheck, Phase, settings

T = TypeVar("T")

SEED: Final = int(os.environ.get("IC_FUZZ_SEED", "1"))
"""The same seed gives the same requests in the same order."""
MINUTES: Final = float(os.environ.get("IC_FUZZ_MINUTES", "0"))
"""For how long all fuzz tests together go on; 0 is the short form."""
IS_LONG: Final = MINUTES > 0
LONGEST_TEST_S: Final = 60 * MINUTES + 180
_FUZZ_TESTS: Final = 2


def rounds(works: Sequence[T]) -> Iterator[tuple[int, T]]:
    """Each work with a seed: once in the short form, in the long one again and again while there is time."""
    ends = time.monotonic() + 60 * MINUTES / _FUZZ_TESTS
    number = SEED
    while True:
        for work in works:
            yield number, work
            if IS_LONG and time.monotonic() > ends:
                return
        if not IS_LONG:
            return
        number += 1


def examples(few: int, many: int) -> settings:
    """How hypothesis looks: `few` examples in the short form; `many` in the long one, which also shrinks."""
    return settings(
        max_examples=many if IS_LONG else few,
        database=None,
        deadline=None,
        print_blob=False,
        report_multiple_bugs=False,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.generate, Phase.shrink] if IS_LONG else [Phase.generate],
    )
