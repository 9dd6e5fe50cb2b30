"""Imports of libraries without optional dependencies that they find installed but nobody here uses.

`structlog` renders for terminals with `rich`, and `redis` counts with OpenTelemetry's SDK, wherever these are
installed: 17 % of a service's start, for logs that are JSON lines and metrics that are Prometheus'.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def hide_optional_dependencies(*names: str) -> Iterator[None]:
    """Have libraries that are imported in the block find these modules missing, as if not installed.

    A module that is imported already stays visible. Afterwards all of them can be imported.
    """
    hidden = [name for name in names if name not in sys.modules]
    # The import system's own mark for a module that cannot be imported.
    sys.modules.update(dict.fromkeys(hidden))  # type: ignore[arg-type]
    try:
        yield
    finally:
        for name in hidden:
            del sys.modules[name]
