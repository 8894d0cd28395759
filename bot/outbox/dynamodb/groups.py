"""A pace group's item: its sequence number, its card, its pace, and for each destination what may wait where."""

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import astuple, dataclass, field, fields, replace
from typing import Any
from urllib.parse import unquote

from bot.outbox.base import Row
from bot.outbox.dynamodb.change import Change
from bot.outbox.dynamodb.items import Item, group_key, grouped, plain
from bot.outbox.dynamodb.table import ConditionError, Table

CARD_BYTES = 100_000
"""The event ids of one card, which are written into its group's item: some 2,500 logins."""


@dataclass(frozen=True, slots=True)
class Past:
    """What a row that is on a card has behind it. `stay` counts the packs that it was in before."""

    tries: int
    doubts: int
    first_try: float | None
    last_try: float | None
    last_reason: str
    stay: int

    @classmethod
    def of(cls, row: Row, stay: int) -> "Past":
        return cls(row.tries, row.doubts, row.first_try, row.last_try, row.last_reason, stay)

    def told(self, row: Row) -> Row:
        """`row` as it is with this behind it."""
        facts = {name: getattr(self, name) for name in ("tries", "doubts", "first_try", "last_try", "last_reason")}
        return replace(row, **facts)


def after_a_try(row: Row, begun_at: float, reason: str, *, tries: int = 0, doubts: int = 0) -> Row:
    first = begun_at if row.first_try is None else row.first_try
    tries, doubts = row.tries + tries, row.doubts + doubts
    return replace(row, tries=tries, doubts=doubts, first_try=first, last_try=begun_at, last_reason=reason)


@dataclass(frozen=True, slots=True)
class OnCard:
    """What the group's item says of its card: whose it is, who began it, and its rows by event id."""

    destination: str
    by: str
    rows: Mapping[str, Past]

    def to_json(self) -> str:
        """The rows of a card mostly have the same behind them: that is written once."""
        lots = [[*astuple(past), ids] for past, ids in grouped(self.rows, lambda event_id: self.rows[event_id]).items()]
        return json.dumps({"to": self.destination, "by": self.by, "rows": lots}, ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str) -> "OnCard":
        card = json.loads(text)
        rows = {event_id: Past(*past) for *past, event_ids in card["rows"] for event_id in event_ids}
        return cls(card["to"], card["by"], rows)


@dataclass(slots=True)
class Place:
    """A destination within its group. The hints are by shard, and never say that nothing waits where something does.

    `kept` counts the times that packs came. `seen` is that count when the shard was last looked through to its end:
    as long as both are the same, nothing in it is ready before `ready`, and nothing waits where there is none.
    `oldest` is when its oldest row was kept, `since` where its queue begins; either may be too early.
    """

    name: str
    waiting: int = 0
    said: int = 0
    given_up: int = 0
    doubts: int = 0
    oldest: float | None = None
    since: float = 0.0
    moved: bool = False
    latest: float = 0.0
    held: bool = False
    last_verdict: str = ""
    last_reason: str = ""
    kept: dict[int, int] = field(default_factory=dict)
    seen: dict[int, int] = field(default_factory=dict)
    ready: dict[int, float] = field(default_factory=dict)

    def next_in(self, shard: int) -> float:
        if self.kept[shard] != self.seen.get(shard):
            return 0.0
        return self.ready.get(shard, math.inf)

    @property
    def next_at(self) -> float:
        """When something in it may be ready; infinite when nothing waits."""
        return min((self.next_in(shard) for shard in self.kept), default=math.inf)

    def tell(self, what: str, where: list[str], value: Any) -> None:
        """Take in one attribute; one that another version of the bot wrote, and this one does not know, is left out."""
        if what not in PLACE_FACTS:
            return
        if where:
            getattr(self, what)[int(where[0])] = value
        else:
            setattr(self, what, value)


PLACE_FACTS = frozenset(each.name for each in fields(Place))


@dataclass(frozen=True, slots=True)
class Group:
    """A group's item. A card is begun while there is a `lease_until`, settled and not yet swept while `unswept`."""

    name: str
    seq: int = 0
    not_before: float = 0.0
    posted: tuple[float, ...] = ()
    throttled: int = 0
    card: OnCard | None = None
    begun_at: float = 0.0
    lease_until: float | None = None
    unswept: bool = False
    settled_seq: int = -1
    settled_as: str = ""
    settled_at: float = 0.0
    reason: str = ""
    ready_at: float = 0.0
    tried: bool = True
    in_place: bool = False
    places: Mapping[str, Place] = field(default_factory=dict)

    @classmethod
    def of(cls, item: Item) -> "Group":
        """An item's plain attributes are the group's, those with a `|` one destination's.

        What another version of the bot wrote, and this one does not know, is left out: nobody stops telling for it.
        """
        facts: dict[str, Any] = {}
        places: dict[str, Place] = {}
        for attribute, typed in item.items():
            what, *where = attribute.split("|")
            if where:
                name = unquote(where[0])
                places.setdefault(name, Place(name)).tell(what, where[1:], plain(typed))
            elif what in GROUP_FACTS:
                facts[what] = plain(typed)
        facts["posted"] = tuple(json.loads(facts.get("posted", "[]")))
        facts["card"] = OnCard.from_json(facts["card"]) if "card" in facts else None
        return cls(name=item["SK"]["S"], places=places, **facts)

    @property
    def swept(self) -> OnCard:
        """The card that a sweep is about."""
        assert self.card is not None
        return self.card

    @property
    def next_at(self) -> float:
        """When there is something to do; infinite when there is nothing. At once, where a sweep was cut short."""
        if self.unswept:
            return 0.0
        if self.lease_until is not None:
            return max(self.not_before, self.lease_until)
        return max(self.not_before, self.next_ready)

    @property
    def next_ready(self) -> float:
        return min((place.next_at for place in self.places.values() if not place.held), default=math.inf)

    def waits_no_more_than(self, rows: Sequence[Row]) -> bool:
        """Whether nothing but `rows`, of one destination, waits that is not held; False where that is not certain.

        A place's count may be too low, after a crash or where rows came during a sweep; its hints never are.
        """
        free = [place for place in self.places.values() if not place.held]
        others = any(place.next_at < math.inf for place in free if place.name != rows[0].destination)
        return not others and sum(max(place.waiting, 0) for place in free) <= len(rows)

    @property
    def oldest(self) -> float:
        waits = [place for place in self.places.values() if place.next_at < math.inf]
        return min((place.oldest or 0.0 for place in waits), default=0.0)


GROUP_FACTS = frozenset(each.name for each in fields(Group)) - {"name", "places"}


class Groups:
    """All groups of a table."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def read(self, name: str) -> Group:
        found = self._table.ask("get_item", Key=group_key(name), ConsistentRead=True).get("Item")
        return Group.of(found) if found else Group(name)

    def all(self) -> list[Group]:
        return [Group.of(item) for item in self._table.all(group_key("")["PK"])]

    def change(self, group: str, change: Change, condition: str = "", **values: Any) -> bool:
        """Whether the condition held, and the change was made."""
        return self.changed(group, change, "NONE", condition, **values) is not None

    def changed(self, group: str, change: Change, answer: str, condition: str = "", **values: Any) -> Item | None:
        """What the table answered; None where the condition did not hold."""
        try:
            request = change.request(condition, values)
            return self._table.ask("update_item", Key=group_key(group), ReturnValues=answer, **request)
        except ConditionError:
            return None


def short_enough(rows: Iterable[Row]) -> tuple[Row, ...]:
    sizes = 0
    card: list[Row] = []
    for row in rows:
        sizes += len(row.event_id.encode())
        if card and sizes > CARD_BYTES:
            break
        card.append(row)
    return tuple(card)
