"""Hints: what a group's item says of a destination's shards. Never that nothing waits where something does."""

import math
from collections.abc import Iterable, Sequence

from bot.outbox.dynamodb.change import Change
from bot.outbox.dynamodb.groups import Place
from bot.outbox.dynamodb.items import attribute, grouped
from bot.outbox.dynamodb.looking import Look
from bot.outbox.dynamodb.packs import Entry, Pack


def came(change: Change, destination: str, shards: Iterable[int]) -> Change:
    """That there is something to look for in `shards`."""
    for shard in sorted(set(shards)):
        change.add(attribute("kept", destination, shard), 1)
    return change


def note_seen(change: Change, place: Place, shard: int, kept: int, entries: Iterable[Entry]) -> float:
    """That a shard was seen to its end after so many keeps with `entries` in it. When the first of them is ready."""
    ready_at = min((entry.row.ready_at for entry in entries), default=math.inf)
    change.set(attribute("seen", place.name, shard), kept)
    if ready_at < math.inf:
        change.set(attribute("ready", place.name, shard), ready_at)
    else:
        change.remove(attribute("ready", place.name, shard))
    return ready_at


def note_empty(change: Change, place: Place) -> None:
    change.set(attribute("waiting", place.name), 0)
    for what in ("oldest", "since", "moved"):
        change.remove(attribute(what, place.name))


def note(place: Place, look: Look, moved: Sequence[Pack], change: Change, *, leaving: int) -> None:
    """The hints of a swept destination, in the one write that ends the sweep."""
    left = look.seen()
    coming = grouped(moved, lambda pack: pack.shard)
    nothing = True
    for shard in sorted(place.kept.keys() | coming.keys()):
        more = [entry for pack in coming.get(shard, ()) for entry in pack.entries]
        if more:
            change.add(attribute("kept", place.name, shard), 1)
        if shard in left:
            kept = look.place.kept[shard] + bool(more)
            nothing &= note_seen(change, place, shard, kept, left[shard] + more) == math.inf
            nothing &= kept - bool(more) == place.kept[shard]
        elif place.kept.get(shard) == place.seen.get(shard):
            ready_at = min([place.ready.get(shard, math.inf), *(entry.row.ready_at for entry in more)])
            nothing &= ready_at == math.inf
            if more:
                change.set(attribute("seen", place.name, shard), place.kept.get(shard, 0) + 1)
                change.set(attribute("ready", place.name, shard), ready_at)
        else:
            nothing = False
    if nothing:
        note_empty(change, place)
        return
    if leaving:
        change.add(attribute("waiting", place.name), -leaving)
    _note_queue(place, look, [entry for pack in moved for entry in pack.entries], change)


def _note_queue(place: Place, look: Look, moved: Sequence[Entry], change: Change) -> None:
    """Where the queue begins now, if this look can tell."""
    entries = [*look.entries.values(), *moved]
    unseen = [place.next_in(shard) < math.inf for shard in place.kept.keys() - look.seen().keys()]
    whole = not any(unseen)
    if moved or place.moved:
        change.set(attribute("moved", place.name), not whole or any(entry.stay for entry in entries))
    if any(place.next_in(shard) < math.inf for shard in place.kept.keys() - look.listed) or (whole and not entries):
        return
    beyond = [] if whole else [look.reached]
    change.set(attribute("since", place.name), min([*beyond, *(entry.since for entry in entries)]))
    if whole or not (moved or place.moved):
        change.set(attribute("oldest", place.name), min([*beyond, *(entry.row.kept_at for entry in entries)]))
