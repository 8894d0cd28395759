"""The time: handed in, so that tests and simulations can turn it."""

import time
from typing import Protocol


class Clock(Protocol):
    def now(self) -> float:
        """Seconds since the epoch."""

    def sleep(self, seconds: float) -> None:
        """Let `seconds` pass; none when `seconds` ≤ 0."""


class SystemClock:
    def now(self) -> float:
        return time.time()

    def sleep(self, seconds: float) -> None:
        """On return `now()` has moved by `seconds`, also where the system's clock was set back a little meanwhile."""
        until = time.time() + seconds
        while (left := until - time.time()) > 0:
            time.sleep(min(left, seconds))
