"""Keeping: rows that are durable before anybody hears that they are."""

import uuid
from collections.abc import Iterable, Mapping, Sequence

from bot.clock import Clock
from bot.outbox.base import SAID_KEPT_SECONDS, Row
from bot.outbox.dynamodb.change import Change
from bot.outbox.dynamodb.groups import Groups
from bot.outbox.dynamodb.hints import came
from bot.outbox.dynamodb.items import Item, attribute, grouped, item_of, known_key, typed
from bot.outbox.dynamodb.packs import Entry, in_packs, pack_item
from bot.outbox.dynamodb.table import EXPIRES, Table

KNOWN_SECONDS = 2 * SAID_KEPT_SECONDS
"""A row may wait for long before it is said, and is remembered from then on."""


class Keeping:
    def __init__(self, table: Table, groups: Groups, clock: Clock) -> None:
        self._table = table
        self._groups = groups
        self._clock = clock

    def keep(self, rows: Sequence[Row]) -> int:
        """A pack first, then its group's hint, then `known`: who dies between them leaves a duplicate, never a gap."""
        asked = {(row.destination, row.event_id): row for row in reversed(rows)}  # of two the first
        known = self.known({event_id for _, event_id in asked})
        new = [row for row in reversed(asked.values()) if row.destination not in known.get(row.event_id, ())]
        if new:
            self.wait([Entry(row, row.kept_at) for row in new])
            self.make_known(new, known)
        return len(new)

    def known(self, event_ids: Iterable[str]) -> dict[str, set[str]]:
        found = self._table.get([known_key(event_id) for event_id in sorted(event_ids)])
        return {item["event_id"]["S"]: set(item["to"]["SS"]) for item in found}

    def make_known(self, rows: Iterable[Row], known: Mapping[str, set[str]]) -> None:
        to: dict[str, set[str]] = {}
        for row in rows:
            to.setdefault(row.event_id, set(known.get(row.event_id, ()))).add(row.destination)
        expires = int(self._clock.now() + KNOWN_SECONDS)
        self._table.put(
            known_key(event_id) | item_of(event_id=event_id, to=destinations) | {EXPIRES: typed(expires)}
            for event_id, destinations in to.items()
        )

    def wait(self, entries: Sequence[Entry]) -> None:
        """Let new rows wait. Packs first, then the hint: whoever sees the hint, finds them.

        Several packs are announced, too: after a crash, the others come again and wait in the first shard, it may be,
        and nobody would ever look for these in theirs.
        """
        items: list[Item] = []
        hints: dict[str, Change] = {}
        announced: dict[str, Change] = {}
        for (group, name), mine in grouped(entries, lambda entry: (entry.row.group, entry.row.destination)).items():
            packs = in_packs(sorted(mine, key=lambda entry: entry.since), lambda _: uuid.uuid4().hex[:12])
            items += [pack_item(group, name, pack) for pack in packs]
            shards = [pack.shard for pack in packs]
            if len(packs) > 1:
                came(announced.setdefault(group, Change()), name, shards)
            hint = came(hints.setdefault(group, Change()), name, shards)
            hint.add(attribute("waiting", name), len(mine))
            hint.add(attribute("doubts", name), sum(entry.row.doubts for entry in mine))
            hint.set_first(attribute("oldest", name), packs[0].first)
            hint.set_first(attribute("since", name), packs[0].first)
            hint.set(attribute("latest", name), self._clock.now())
        for group, hint in announced.items():
            self._groups.change(group, hint)
        self._table.put(items)
        for group, hint in hints.items():
            self._groups.change(group, hint)
