"""What the path asks of whoever knows people, be it AWS or a list: the same logins, each with its Person."""

from collections.abc import Sequence
from typing import Protocol

from bot.events import MAX_TEXT, Login, NamedAfter, NameGap, Person


class People(Protocol):
    def name(self, logins: Sequence[Login], *, until: float) -> list[Login]:
        """The same logins in the same order, each with its `person`. Never raises.

        Names are waited for until `until` (seconds since the epoch), but every place is asked at least once.
        """


def nobody(workspace_id: str, gap: NameGap = NameGap.UNKNOWN) -> Person:
    """Who is named after the WorkSpace itself; `gap` says why there is no better name."""
    return Person(name=workspace_id, named_after=NamedAfter.ID, gap=gap)


def fit_text(value: object) -> str:
    """As a Login holds text: cut, and without lone surrogates, which no channel can encode."""
    return str(value or "").strip()[:MAX_TEXT].encode("utf-8", "replace").decode()
