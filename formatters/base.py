"""What a formatter is: logins in, one channel's payload out. No network, no clock, no environment."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol
from zoneinfo import ZoneInfo

from bot.events import Login

Payload = Mapping[str, Any]
"""What a sender posts, ready for `json.dumps`."""


@dataclass(frozen=True, slots=True)
class Audience:
    """Who reads the card: `language` is a name in `formatters.languages`, `timezone` an IANA name.

    `max_rows` is how many logins of a digest they want to see by name, None for all of them.
    """

    language: str = "en"
    timezone: str = "UTC"
    max_rows: int | None = None

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.timezone)


@dataclass(frozen=True, slots=True)
class Weight:
    """How much of the channel's room a payload takes: `used` of `limit`, both in `unit`."""

    used: int
    limit: int
    unit: str  # "bytes" or "characters"

    @property
    def fits(self) -> bool:
        return self.used <= self.limit


class Formatter(Protocol):
    """Draws logins for one kind of channel. Made without arguments, once; `draw` is pure."""

    makes: ClassVar[str]
    """The kind of payload: `slack`, `teams`, `mail`, or a kind of your own. A sender says which kinds it takes."""

    def draw(self, logins: Sequence[Login], audience: Audience) -> Payload:
        """The card that tells of `logins` (one or more, oldest first), within the channel's limits.

        Text in a Login is untrusted: clean, cut, then escape it as the channel wants.
        """

    def weigh(self, payload: Payload) -> Weight:
        """The size of a payload that `draw` made, against the channel's limit."""
