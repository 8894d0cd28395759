"""Packs: rows that came together, in one item, under the time since which the first of them queues."""

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, fields
from typing import Any

from bot.outbox.base import Row
from bot.outbox.dynamodb.items import Item, item_of, pack_key

SHARDS = 4
"""Partitions over which a destination's packs are spread: one takes 1,000 KB/s, and a storm brings more."""

PACK_ROWS = 25

PACK_BYTES = 200_000
"""An item ends at 400 KB. Most logins have half a kilobyte."""

ROW_FACTS = tuple(each.name for each in fields(Row) if each.name not in ("destination", "group"))


@dataclass(frozen=True, slots=True)
class Entry:
    """A row in a pack. It queues by `since`: when it was kept, or last on a card."""

    row: Row
    since: float
    stay: int = 0

    @property
    def name(self) -> tuple[str, int]:
        return self.row.event_id, self.stay


@dataclass(frozen=True, slots=True)
class Pack:
    shard: int
    sort_key: str
    entries: tuple[Entry, ...]

    @property
    def first(self) -> float:
        return min(entry.since for entry in self.entries)


def row_facts(row: Row) -> dict[str, Any]:
    """All of a row that its key does not say, without what is as usual."""
    facts = {name: getattr(row, name) for name in ROW_FACTS}
    return {name: value for name, value in facts.items() if value not in (None, "", 0)}


def pack_item(group: str, destination: str, pack: Pack) -> Item:
    facts = [row_facts(entry.row) | {"since": entry.since, "stay": entry.stay} for entry in pack.entries]
    key = pack_key(group, destination, pack.shard, pack.sort_key)
    return key | item_of(rows=json.dumps(facts, ensure_ascii=False, separators=(",", ":")))


def read_pack(item: Item, group: str, destination: str, shard: int) -> Pack:
    def entry(since: float, stay: int, login: str = "", **facts: Any) -> Entry:
        known = {name: value for name, value in facts.items() if name in ROW_FACTS}  # and not what newer versions add
        return Entry(Row(destination=destination, group=group, login=login, **known), since, stay)

    return Pack(shard, item["SK"]["S"], tuple(entry(**facts) for facts in json.loads(item["rows"]["S"])))


def in_packs(entries: Iterable[Entry], name: Callable[[int], str], shards: int | None = None) -> list[Pack]:
    """The first pack goes to the first shard, and so on: a quiet destination has one, a storm is spread over all."""
    shards = shards or SHARDS
    packs: list[Pack] = []
    for number, lot in enumerate(_in_lots(entries)):
        sort_key = f"{min(entry.since for entry in lot):017.6f}|{name(number)}"
        packs.append(Pack(number % shards, sort_key, tuple(lot)))
    return packs


def _in_lots(entries: Iterable[Entry]) -> Iterator[list[Entry]]:
    lot: list[Entry] = []
    size = 0
    for entry in entries:
        cost = len(entry.row.login.encode()) + len(entry.row.why.encode()) + len(entry.row.last_reason.encode())
        if lot and (len(lot) == PACK_ROWS or size + cost > PACK_BYTES):
            yield lot
            lot, size = [], 0
        lot.append(entry)
        size += cost
    if lot:
        yield lot


def lot_of(packs: Iterator[Pack], rows: int) -> list[Pack]:
    """The next packs, as many as hold at least `rows` rows."""
    lot: list[Pack] = []
    while sum(len(pack.entries) for pack in lot) < rows and (pack := next(packs, None)) is not None:
        lot.append(pack)
    return lot
