"""Says what time it is, and how long it slept when it wanted to sleep for 0.2 s."""

import time

if __name__ == "__main__":
    started = time.monotonic()
    time.sleep(0.2)
    print(time.time(), time.monotonic() - started)  # noqa: T201
