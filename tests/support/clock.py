"""A clock that stands still until a test, or a sleeper, moves it."""

from threading import Lock

START = 1_795_410_000.0  # 2026-11-23T05:00:00Z


class FakeClock:
    """`slept` holds every sleep asked for, in order."""

    def __init__(self, now: float = START) -> None:
        self._now = now
        self._lock = Lock()
        self.slept: list[float] = []

    def now(self) -> float:
        return self._now

    def sleep(self, seconds: float) -> None:
        if seconds > 0:
            with self._lock:
                self.slept.append(seconds)
                self._now += seconds

    def advance(self, seconds: float) -> None:
        with self._lock:
            self._now += seconds
