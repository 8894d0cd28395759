"""Sweeping: what a verdict means for each row of its card. Repeatable from any point, by anybody, by many."""

from collections.abc import Sequence
from dataclasses import replace

from bot.outbox.base import SAID_KEPT_SECONDS, Row
from bot.outbox.dynamodb import packs as sizes
from bot.outbox.dynamodb.change import Change
from bot.outbox.dynamodb.groups import Group, Groups, Place, after_a_try
from bot.outbox.dynamodb.hints import came, note
from bot.outbox.dynamodb.items import Item, attribute, item_of, mark_key, pack_key
from bot.outbox.dynamodb.keeping import KNOWN_SECONDS
from bot.outbox.dynamodb.letters import Letter
from bot.outbox.dynamodb.looking import Look, Looking
from bot.outbox.dynamodb.packs import Entry, Pack, in_packs, pack_item
from bot.outbox.dynamodb.table import EXPIRES, Table
from bot.senders.base import Outcome


class Sweeping:
    def __init__(self, table: Table, groups: Groups, looking: Looking) -> None:
        self._table = table
        self._groups = groups
        self._looking = looking

    def sweep(self, group: Group, look: Look | None, rows: Sequence[Row] = ()) -> Group | None:
        """`look` is what this process saw before it began the card, and `rows` are the card's, if it still has them."""
        card, outcome = group.swept, Outcome(group.settled_as)
        place = group.places[card.destination]
        moved = [] if outcome is Outcome.SENT else self._put_elsewhere(group, outcome, rows)
        left = self._left(group, place, look)
        # in one go: of whom dies between, the next sweep still has the card, and marks all of it
        marks = [_mark(group, event_id) for event_id in card.rows]
        self._table.write(marks, [pack_key(group.name, place.name, *key) for key in left.done])
        change = Change().remove("unswept").remove("card")
        change.set(attribute("last_verdict", place.name), outcome.value)
        change.set(attribute("last_reason", place.name), group.reason)
        self._count(group, place, outcome, change)
        stays = outcome in (Outcome.AGAIN, Outcome.UNSURE)
        note(place, left, moved, change, leaving=0 if stays else len(card.rows))
        unswept = "settled_seq = :seq AND attribute_exists(unswept)"
        answer = self._groups.changed(group.name, change, "ALL_NEW", unswept, seq=group.settled_seq)
        if answer is not None:
            return Group.of(answer["Attributes"])
        if moved:  # late: others may be through with these
            self._groups.change(group.name, came(Change(), place.name, [pack.shard for pack in moved]))
        return None

    def _put_elsewhere(self, group: Group, outcome: Outcome, rows: Sequence[Row]) -> list[Pack]:
        """Letters, or the packs that the rows move to. These are answered, whoever put them."""
        entries = self._entries(group, rows)
        complete = len(entries) == len(group.swept.rows)  # or else whoever was here before came further than this
        if outcome is Outcome.DEAD:
            if complete:
                self._table.put(_letter(entry, group).item() for entry in entries)
            return []
        moved = [Entry(_moved(entry.row, group), entry.since, entry.stay + 1) for entry in entries]
        # of those that wait equally long, the first shard's come first, and there the packs whose names are numbers
        shards = 1 if group.in_place else None
        packs = in_packs(moved, lambda number: f"{group.settled_seq:09d}.{number:03d}", shards)
        if complete:
            self._table.put(pack_item(group.name, group.swept.destination, pack) for pack in packs)
        else:  # and what it put may be in any shard
            place = group.places[group.swept.destination]
            self._groups.change(group.name, came(Change(), place.name, {*range(sizes.SHARDS), *place.kept}))
        return packs

    def _entries(self, group: Group, rows: Sequence[Row]) -> list[Entry]:
        """The card's rows in their order, each under the time since which it queues from now on."""
        if rows and not group.in_place:
            found = [Entry(row, group.begun_at, group.swept.rows[row.event_id].stay) for row in rows]
        else:
            found = self._entries_swept(group)
        if not group.in_place:
            found = [replace(entry, since=group.begun_at) for entry in found]
        return sorted(found, key=lambda entry: (entry.since, entry.row.kept_at, entry.row.event_id))

    def _entries_swept(self, group: Group) -> list[Entry]:
        """The card's, out of the packs in which they waited for it; fewer, where those are cleared away."""
        card = group.swept
        look, found = Look(group, group.places[card.destination]), {}
        for pack in self._looking.packs(look, look.place.kept):
            for entry in pack.entries:
                past = card.rows.get(entry.row.event_id)
                if past is not None and past.stay == entry.stay:
                    found[entry.row.event_id] = replace(entry, row=past.told(entry.row))
            if len(found) == len(card.rows):
                break
        return list(found.values())

    def _count(self, group: Group, place: Place, outcome: Outcome, change: Change) -> None:
        rows = len(group.swept.rows)
        if outcome in (Outcome.SENT, Outcome.DEAD):
            change.add(attribute("said" if outcome is Outcome.SENT else "given_up", place.name), rows)
        if outcome is Outcome.UNSURE and group.tried:
            change.add(attribute("doubts", place.name), rows)

    def _left(self, group: Group, place: Place, look: Look | None) -> Look:
        """What is left where this process looked, without the card's rows; nothing is known where it did not look."""
        if look is None or look.group.seq != group.settled_seq - 1:
            look = Look(group, place)
        look.without({(event_id, past.stay) for event_id, past in group.swept.rows.items()})
        return look


def _mark(group: Group, event_id: str) -> Item:
    """What became of a row of the settled card. The row may be forgotten later; what was given up is not.

    What was said after it had moved, or come back, is remembered for longer: for as long as the login is known, or a
    replay would take it for given up.
    """
    card = group.swept
    past = card.rows[event_id]
    facts = {"event_id": event_id, "as": group.settled_as, "at": group.settled_at, "doubts": past.doubts}
    if group.settled_as != Outcome.DEAD:
        facts[EXPIRES] = int(group.settled_at + (KNOWN_SECONDS if past.stay else SAID_KEPT_SECONDS))
    return mark_key(card.destination, event_id, past.stay) | item_of(**facts)


def _moved(row: Row, group: Group) -> Row:
    """A row of a card that was not taken, as it waits on."""
    row = replace(row, ready_at=group.ready_at)
    if not group.tried:
        return replace(row, last_reason=group.reason)
    doubts = int(group.settled_as == Outcome.UNSURE)
    return after_a_try(row, group.begun_at, group.reason, tries=1 - doubts, doubts=doubts)


def _letter(entry: Entry, group: Group) -> Letter:
    tried = after_a_try(entry.row, group.begun_at, group.reason, tries=1) if group.tried else entry.row
    return Letter(replace(tried, last_reason=group.reason), group.settled_at, entry.stay)
