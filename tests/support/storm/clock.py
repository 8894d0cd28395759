"""A clock for many workers at once: time moves on only while all of them sleep, and a day takes a second.

The bot is ordinary code that calls `sleep`, so each worker is a real thread; but one runs at a time, and they take
turns in the order in which they wake up. So nothing depends on the machine: the same world tells the same story.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from heapq import heappop, heappush
from itertools import count
from random import Random
from threading import Semaphore, Thread, current_thread
from typing import Any, TypeVar

from tests.support.clock import START

Item = TypeVar("Item")
Result = TypeVar("Result")


class DiedError(BaseException):
    """The process of this worker ended in the middle of whatever it did. Not an Exception: nobody may handle it."""


@dataclass(eq=False)
class Process:
    """What workers run in. It dies when it is told to, or at `dies_at`, between two steps of its workers."""

    name: str
    dies_at: float = float("inf")


@dataclass(eq=False)
class _Worker:
    process: Process
    thread: Thread | None = None
    turn: Semaphore = field(default_factory=lambda: Semaphore(0))


class SimClock:
    def __init__(self, now: float = START) -> None:
        self._now = now
        self._number = count()
        self._asleep: list[tuple[float, int, _Worker]] = []
        self._paused: set[_Worker] = set()
        self._awake: _Worker | None = None
        self._back = Semaphore(0)
        self._chance = Random(1)
        self._ended = False
        self._trouble: BaseException | None = None

    def now(self) -> float:
        return self._now

    def sleep(self, seconds: float) -> None:
        if self._awake is None:
            return  # what is done before they begin, and after they end, takes no time
        worker = self._worker()
        if seconds > 0:
            heappush(self._asleep, (self._now + seconds, next(self._number), worker))
            self._pause(worker)

    def dawdle(self, seconds: float) -> None:
        """Sleep for about `seconds`, as everything does that goes over a network."""
        self.sleep(seconds * self._chance.uniform(0.5, 1.5))

    def start(self, work: Callable[[], Any], process: Process) -> None:
        """Let somebody work from now on."""
        worker = _Worker(process)
        worker.thread = Thread(target=self._work, args=(worker, work), daemon=True)
        heappush(self._asleep, (self._now, next(self._number), worker))
        self._paused.add(worker)
        worker.thread.start()

    def side_by_side(
        self, work: Callable[[Item], Result], items: Sequence[Item], process: Process | None = None
    ) -> list[Result]:
        """What becomes of each item, all at the same time; of those whose `process` dies nothing does."""
        caller = self._worker()
        results: dict[int, Result] = {}
        left = count(len(items) - 1, -1)

        def one(number: int, item: Item) -> None:
            try:
                results[number] = work(item)
            finally:
                if not next(left):
                    heappush(self._asleep, (self._now, next(self._number), caller))

        for number, item in enumerate(items):
            self.start(partial(one, number, item), process or caller.process)
        if items:
            self._pause(caller)
        return [results[number] for number in sorted(results)]

    def run(self, until: Callable[[], bool]) -> None:
        """Let time pass until everybody went home or `until` holds. Raises what went wrong with anybody."""
        try:
            while self._asleep and self._trouble is None and not until():
                self._now, _, worker = heappop(self._asleep)
                self._wake(worker)
        finally:
            self._ended = True
            while self._paused:
                self._wake(next(iter(self._paused)))
            self._awake = None
        if self._trouble is not None:
            raise self._trouble

    def _wake(self, worker: _Worker) -> None:
        self._awake = worker
        self._paused.discard(worker)
        worker.turn.release()
        self._back.acquire()

    def _worker(self) -> _Worker:
        worker = self._awake
        assert worker is not None
        assert worker.thread is current_thread(), "only those whom the clock started may sleep on it"
        self._see_it_lives(worker)
        return worker

    def _see_it_lives(self, worker: _Worker) -> None:
        if self._ended or self._now >= worker.process.dies_at:
            raise DiedError

    def _pause(self, worker: _Worker) -> None:
        self._paused.add(worker)
        self._back.release()
        worker.turn.acquire()
        self._see_it_lives(worker)

    def _work(self, worker: _Worker, work: Callable[[], Any]) -> None:
        worker.turn.acquire()
        try:
            self._see_it_lives(worker)
            work()
        except DiedError:
            pass
        except BaseException as error:  # noqa: BLE001 - raised again where the world is run
            self._trouble = self._trouble or error
        finally:
            self._back.release()
