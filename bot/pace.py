"""A channel's published limit as times: when the next card may begin, after those that were posted before."""

from collections.abc import Sequence
from dataclasses import dataclass

MOST_REMEMBERED = 100
"""Times that a group's row holds. A pace of more messages than that in its window is spread evenly instead."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """At most `messages` in any `per` seconds, and `gap` seconds between two; shared by all destinations of `group`."""

    messages: int
    per: float
    gap: float
    group: str

    def after(self, posted: Sequence[float]) -> float:
        """The earliest time of the next post, `posted` being the times of the latest ones, oldest first."""
        if not posted:
            return 0.0
        if self.messages > MOST_REMEMBERED:
            return posted[-1] + max(self.gap, self.per / self.messages)
        window = posted[-self.messages] + self.per if len(posted) >= self.messages else 0.0
        return max(posted[-1] + self.gap, window)

    def remember(self, posted: Sequence[float]) -> tuple[float, ...]:
        """As much of `posted` as `after` will ever look at."""
        kept = 1 if self.messages > MOST_REMEMBERED else self.messages
        return tuple(posted[-kept:])
