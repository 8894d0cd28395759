"""A channel's published limit as times: when the next card may begin, after those that were posted before."""

from collections.abc import Sequence
from dataclasses import dataclass

MOST_REMEMBERED = 100
"""Times that a group's row holds. A pace of more messages than that in its window is spread evenly instead."""

SAVED = 0.2
"""The share of a window's messages that is not spent at once where nobody is known to wait."""

LONGEST_LEISURE = 60.0
"""Seconds that a message is saved for at the most, however long its window is."""


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

    def at_leisure(self, posted: Sequence[float]) -> float:
        """The best time of the next post where nobody is known to wait for it; never before `after`.

        The last messages of a window are spread over what is left of it: who comes at the end of a wave then waits for
        a part of it, on a card with others, not for all of it to pass.
        """
        earliest = self.after(posted)
        recent = [at for at in posted if at > posted[-1] - self.per]
        left = self.messages - len(recent)
        if not recent or left > self.messages * SAVED:
            return earliest
        share = (recent[0] + self.per - posted[-1]) / (left + 1)
        return max(earliest, posted[-1] + min(share, LONGEST_LEISURE))

    def remember(self, posted: Sequence[float]) -> tuple[float, ...]:
        """As much of `posted` as will ever be looked at."""
        kept = 1 if self.messages > MOST_REMEMBERED else self.messages
        return tuple(posted[-kept:])
