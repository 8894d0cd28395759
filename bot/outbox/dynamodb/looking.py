"""Looking through a destination's packs for what waits: what is in one and has no mark."""

import heapq
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from bot.outbox.dynamodb import packs as sizes
from bot.outbox.dynamodb import table as calls
from bot.outbox.dynamodb.groups import Group, Place
from bot.outbox.dynamodb.items import Item, mark_key, pack_key
from bot.outbox.dynamodb.packs import Entry, Pack, lot_of, read_pack
from bot.outbox.dynamodb.table import Table

FIRST_PAGE = 10
"""Packs that the first Query of a shard asks for; each further one asks for four times as many."""


@dataclass(slots=True)
class Look:
    """What one listing of a destination saw: each pack's entries that are not done, None where it was not asked yet."""

    group: Group
    place: Place
    packs: dict[tuple[int, str], dict[str, Entry] | None] = field(default_factory=dict)
    listed: set[int] = field(default_factory=set)
    ended: set[int] = field(default_factory=set)
    reached: float = 0.0

    @property
    def entries(self) -> dict[str, Entry]:
        return {event_id: entry for undone in self.packs.values() for event_id, entry in (undone or {}).items()}

    @property
    def done(self) -> list[tuple[int, str]]:
        return [key for key, undone in self.packs.items() if undone == {}]

    def without(self, names: set[tuple[str, int]]) -> None:
        for key, undone in self.packs.items():
            if undone:
                self.packs[key] = {each: entry for each, entry in undone.items() if entry.name not in names}

    def seen(self) -> dict[int, list[Entry]]:
        """The shards that it saw to their end, with what is left in them."""
        known: dict[int, list[Entry]] = {shard: [] for shard in self.ended}
        for (shard, _), undone in self.packs.items():
            if undone is None:
                known.pop(shard, None)
            elif shard in known:
                known[shard].extend(undone.values())
        return known


class Looking:
    def __init__(self, table: Table) -> None:
        self._table = table

    def listed(self, look: Look, now: float, limit: int) -> Iterator[Entry]:
        """What is ready at `now`, in its order, read as it is asked for.

        An entry with a mark is done, however late it came into its pack: that is what nobody is told twice by.
        """
        ready: list[tuple[float, int, Entry]] = []
        seen: set[str] = set()
        packs = self.packs(look, [shard for shard in look.place.kept if look.place.next_in(shard) <= now])
        while lot := lot_of(packs, min(limit, calls.AT_ONCE_GET - sizes.PACK_ROWS)):
            while ready and ready[0][0] <= lot[0].first:
                yield heapq.heappop(ready)[2]
            marked = self.marked(look.place.name, [entry.name for pack in lot for entry in pack.entries])
            for pack in lot:
                undone = {entry.row.event_id: entry for entry in pack.entries if entry.name not in marked}
                look.packs[pack.shard, pack.sort_key], look.reached = undone, pack.first
                for event_id, entry in undone.items():
                    if entry.row.ready_at <= now and event_id not in seen:
                        heapq.heappush(ready, (entry.since, len(seen), entry))
                        seen.add(event_id)
        while ready:
            yield heapq.heappop(ready)[2]

    def packs(self, look: Look, shards: Iterable[int]) -> Iterator[Pack]:
        return heapq.merge(*(self._packs_in(look, shard) for shard in shards), key=lambda pack: pack.first)

    def _packs_in(self, look: Look, shard: int) -> Iterator[Pack]:
        group, name = look.group.name, look.place.name
        look.listed.add(shard)
        page, start = FIRST_PAGE, Item()
        while True:
            answer = self._table.query(pack_key(group, name, shard, "")["PK"], Limit=page, **start)
            packs = [read_pack(item, group, name, shard) for item in answer["Items"]]
            look.packs |= {(shard, pack.sort_key): None for pack in packs}
            if "LastEvaluatedKey" not in answer:
                look.ended.add(shard)
                yield from packs
                return
            yield from packs
            page, start = page * 4, {"ExclusiveStartKey": answer["LastEvaluatedKey"]}

    def marked(self, destination: str, names: Iterable[tuple[str, int]]) -> set[tuple[str, int]]:
        found = self._table.get([mark_key(destination, *name) for name in dict.fromkeys(names)])
        return {(item["event_id"]["S"], int(item["SK"]["S"])) for item in found}

    def ends(self, destination: str, event_id: str) -> dict[int, str]:
        """How each of its stays ended there, as far as it is remembered."""
        marks = self._table.all(mark_key(destination, event_id, 0)["PK"])
        return {int(item["SK"]["S"]): item["as"]["S"] for item in marks}

    def delete_done(self, look: Look) -> None:
        self._table.delete(pack_key(look.group.name, look.place.name, *key) for key in look.done)
