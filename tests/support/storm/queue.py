"""An SQS queue on simulated time, and the pollers that bring its records to Lambda."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from heapq import heapify, heappop, heappush
from itertools import count
from typing import Any

from bot.clock import Clock

VISIBILITY = 360.0
"""Seconds until a record that was received and not deleted comes again: six times a call's."""
BATCH = 4_000
BATCH_BYTES = 6_000_000


@dataclass(frozen=True, slots=True)
class Message:
    """`login` is its number; the body is made when it is asked for, so that a hundred thousand cost no room."""

    id: int
    login: int
    sent_at: float


class Queue:
    def __init__(self, clock: Clock, messages: Iterable[Message], body: Callable[[Message], str]) -> None:
        self._clock = clock
        self._body = body
        self._number = count()
        self._waiting = [(message.sent_at, next(self._number), message) for message in messages]
        heapify(self._waiting)
        self._deleted: set[int] = set()
        self.received = 0
        """Records that were handed out, again and again."""

    @property
    def next_visible(self) -> float | None:
        return self._waiting[0][0] if self._waiting else None

    def receive(self, most: int = BATCH) -> list[dict[str, Any]]:
        """Up to `most` records that are visible now, not more than Lambda takes at once."""
        records: list[dict[str, Any]] = []
        again: list[Message] = []
        size = 0
        while self._waiting and self._waiting[0][0] <= self._clock.now() and len(records) < most:
            message = self._waiting[0][2]
            if message.id not in self._deleted:
                body = self._body(message)
                size += len(body)
                if size > BATCH_BYTES:
                    break
                records.append({"messageId": str(message.id), "body": body, "eventSource": "aws:sqs"})
                again.append(message)
            heappop(self._waiting)
        for message in again:
            heappush(self._waiting, (self._clock.now() + VISIBILITY, next(self._number), message))
        self.received += len(records)
        return records

    def delete(self, message_ids: Iterable[str]) -> None:
        self._deleted.update(map(int, message_ids))
        while self._waiting and self._waiting[0][2].id in self._deleted:
            heappop(self._waiting)
