"""The outbox in a DynamoDB table: the protocol of bot/outbox/base.py, each method in its order of calls."""

import json
import math
import uuid
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from itertools import islice
from typing import Any

from bot.aws import Aws
from bot.clock import Clock
from bot.outbox.base import Card, DeadLetter, DestinationStatus, OutboxError, Row, Turn
from bot.outbox.dynamodb.change import Change
from bot.outbox.dynamodb.groups import Group, Groups, OnCard, Past, Place, after_a_try, short_enough
from bot.outbox.dynamodb.hints import note_empty, note_seen
from bot.outbox.dynamodb.items import attribute, grouped
from bot.outbox.dynamodb.keeping import Keeping
from bot.outbox.dynamodb.looking import Look, Looking
from bot.outbox.dynamodb.replaying import Replaying
from bot.outbox.dynamodb.sweeping import Sweeping
from bot.outbox.dynamodb.table import Table
from bot.pace import Pace
from bot.senders.base import Verdict

DIED = "the process ended before the verdict was written"

JUST_NOW = 1.0
"""Seconds for which a group that was seen is not read again."""

FREE_TO_BEGIN = (
    "(attribute_not_exists(not_before) OR not_before <= :now)"
    " AND (attribute_not_exists(lease_until) OR lease_until <= :now) AND attribute_not_exists(unswept)"
)


class DynamoOutbox:
    """The outbox, and what operators read and turn, in the table `table_name` (see TABLE).

    Safe among threads, as long as each group is told by one of them at a time.
    """

    def __init__(self, table_name: str, aws: Aws, clock: Clock) -> None:
        table = Table(table_name, aws, clock)
        self._clock = clock
        self._groups = Groups(table)
        self._looking = Looking(table)
        self._keeping = Keeping(table, self._groups, clock)
        self._sweeping = Sweeping(table, self._groups, self._looking)
        self._replaying = Replaying(table, self._groups, self._keeping, self._looking, clock)
        self._looks: dict[str, Look] = {}  # by group: spares begin and settle a second listing
        self._just_seen: dict[str, tuple[float, Group]] = {}  # when, by name; spent by the next `waiting`

    def keep(self, rows: Sequence[Row]) -> int:
        self._just_seen.clear()
        return self._keeping.keep(rows)

    def waiting(self, group: str, limit: int) -> Turn:
        found = self._swept(group)
        turn = Turn(group=group, seq=found.seq, rows=(), not_before=found.not_before, throttled=found.throttled)
        if found.lease_until is not None and self._clock.now() < found.lease_until:
            return replace(turn, not_before=max(turn.not_before, found.lease_until))
        if found.lease_until is not None and (died := self._rows_that_died(found)):
            return replace(turn, rows=died, died=True, posted=found.posted)
        rows, ready_at = self._ready(found, limit)
        alone = 0 < len(rows) < limit and found.waits_no_more_than(rows)
        return replace(turn, rows=rows, not_before=max(turn.not_before, ready_at), posted=found.posted, alone=alone)

    def _swept(self, name: str) -> Group:
        seen_at, seen = self._just_seen.pop(name, (0.0, None))
        group = seen if seen and 0 <= self._clock.now() - seen_at < JUST_NOW else self._groups.read(name)
        while group.unswept:
            self._sweeping.sweep(group, self._looks.pop(name, None))
            group = self._groups.read(name)
        return group

    def _ready(self, group: Group, limit: int) -> tuple[tuple[Row, ...], float]:
        """The ready rows of the destination that waits longest; where there are none, when the first one is."""
        now, ready_at = self._clock.now(), math.inf
        best: tuple[float, str] = (math.inf, "")
        chosen: tuple[tuple[Row, ...], Look] | None = None
        for place in sorted(group.places.values(), key=lambda place: (place.since, place.name)):
            if place.held or place.next_at > now or place.since > best[0]:
                ready_at = ready_at if place.held else min(ready_at, place.next_at)
                continue
            look = Look(group, place)
            entries = list(islice(self._looking.listed(look, now, limit), limit))
            if not entries:
                ready_at = min(ready_at, self._tidy(look))
            elif (entries[0].since, place.name) < best:
                best, chosen = (entries[0].since, place.name), (short_enough(entry.row for entry in entries), look)
        if chosen is None:
            return (), ready_at
        self._remember(chosen[1])
        return chosen[0], 0.0

    def _remember(self, look: Look) -> None:
        """The one that saw more, of two that saw the same."""
        before = self._looks.get(look.group.name)
        if before is None or before.group.seq != look.group.seq or len(before.packs) <= len(look.packs):
            self._looks[look.group.name] = look

    def _rows_that_died(self, group: Group) -> tuple[Row, ...]:
        card = group.swept
        look, missing, rows = Look(group, group.places[card.destination]), set(card.rows), []
        for entry in self._looking.listed(look, math.inf, len(missing)):
            if entry.row.event_id in missing:
                missing.remove(entry.row.event_id)
                rows.append(card.rows[entry.row.event_id].told(entry.row))
            if not missing:
                break
        self._remember(look)
        return tuple(sorted(rows, key=lambda row: row.kept_at))

    def _tidy(self, look: Look) -> float:
        """Nothing in it is ready: clear away what is done and note that. When something is; infinite when nothing."""
        change, place = Change(), look.place
        self._looking.delete_done(look)
        ready_at = min((place.next_in(shard) for shard in place.kept.keys() - look.seen().keys()), default=math.inf)
        for shard, entries in look.seen().items():
            ready_at = min(ready_at, note_seen(change, place, shard, place.kept[shard], entries))
        if ready_at == math.inf:
            note_empty(change, place)
        self._groups.change(look.group.name, change)
        return ready_at

    def begin(self, turn: Turn, rows: Sequence[Row], lease: float, pace: Pace) -> Card | None:
        if not rows:
            return None
        began = self._begun_again(turn) if turn.died else self._begun(turn, rows)
        if began is None:
            return None
        rows, card = began
        now = self._clock.now()
        posted = pace.remember((*turn.posted, now))
        change = Change().set("seq", turn.seq + 1).set("card", card.to_json()).set("begun_at", now)
        change.set("lease_until", now + lease).set("posted", json.dumps(posted)).set("not_before", pace.after(posted))
        if turn.died:
            change.add(attribute("doubts", card.destination), len(rows))
        condition, facts = _as_it_was(turn, card.destination, change)
        if not self._groups.change(turn.group, change, f"{condition} AND {FREE_TO_BEGIN}", now=now, **facts):
            found = self._groups.read(turn.group)
            if found.card is None or found.card.by != card.by:  # it is ours where only an answer was lost
                return None
        return Card(
            group=turn.group,
            seq=turn.seq + 1,
            rows=tuple(rows),
            begun_at=now,
            lease_until=now + lease,
            pace=pace,
            posted=posted,
            throttled=turn.throttled,
        )

    def _begun(self, turn: Turn, rows: Sequence[Row]) -> tuple[Sequence[Row], OnCard] | None:
        """The card of `rows`; None where one of them waits no more."""
        name, look = rows[0].destination, self._looks.get(turn.group)
        if look is None or look.group.seq != turn.seq or look.place.name != name:
            look = self._looked_again(turn, name, {row.event_id for row in rows})
        entries = look.entries if look else {}
        if any(row.event_id not in entries for row in rows):
            return None
        past = {row.event_id: Past.of(row, entries[row.event_id].stay) for row in rows}
        return rows, OnCard(name, uuid.uuid4().hex, past)

    def _looked_again(self, turn: Turn, name: str, event_ids: set[str]) -> Look | None:
        """Where the rows of a turn are that was taken from another object."""
        group = self._groups.read(turn.group)
        if group.seq != turn.seq or name not in group.places:
            return None
        look, missing = Look(group, group.places[name]), set(event_ids)
        for entry in self._looking.listed(look, math.inf, len(missing)):
            missing.discard(entry.row.event_id)
            if not missing:
                break
        self._remember(look)
        return look

    def _begun_again(self, turn: Turn) -> tuple[Sequence[Row], OnCard] | None:
        """The card that died, with a doubt on each of its rows; None where it is not the group's any more."""
        died = self._groups.read(turn.group)
        if died.seq != turn.seq or died.lease_until is None:
            return None
        card = died.swept
        rows = [after_a_try(row, died.begun_at, DIED, doubts=1) for row in turn.rows]
        past = {row.event_id: Past.of(row, card.rows[row.event_id].stay) for row in rows}
        return rows, OnCard(card.destination, uuid.uuid4().hex, past)

    def settle(
        self,
        card: Card,
        verdict: Verdict,
        not_before: float,
        *,
        ready_at: float = 0.0,
        tried: bool = True,
        in_place: bool = False,
    ) -> bool:
        now, outcome = self._clock.now(), verdict.outcome.value
        posted, not_before = card.settled_at(now, not_before)
        change = Change().set("seq", card.seq + 1).set("posted", json.dumps(posted)).set("not_before", not_before)
        change.set("throttled", card.throttled_by(verdict))
        change.set("settled_seq", card.seq).set("settled_as", outcome).set("settled_at", now)
        change.set("reason", verdict.reason).set("ready_at", ready_at).set("tried", tried).set("in_place", in_place)
        change.set("unswept", True).remove("lease_until")
        mine = "seq = :seq AND attribute_exists(lease_until)"
        if (answer := self._groups.changed(card.group, change, "ALL_NEW", mine, seq=card.seq)) is not None:
            group = Group.of(answer["Attributes"])
        else:
            group = self._groups.read(card.group)
            if (group.settled_seq, group.settled_as) != (card.seq, outcome):
                return False
        if group.unswept:
            with suppress(OutboxError):  # the verdict is written; whoever asks next what waits finishes the sweep
                swept = self._sweeping.sweep(group, self._looks.pop(group.name, None), card.rows)
                if swept is not None:
                    self._just_seen[group.name] = now, swept
        return True

    def due(self, now: float) -> list[str]:
        seen_at = self._clock.now()  # before it is read: a slow answer is as old as its question
        due = [group for group in self._groups.all() if group.next_at <= now]
        self._just_seen = {group.name: (seen_at, group) for group in due}
        return [group.name for group in sorted(due, key=lambda group: (group.oldest, group.name))]

    def next_due(self) -> float | None:
        soonest = min((group.next_at for group in self._groups.all()), default=math.inf)
        return soonest if soonest < math.inf else None

    def status(self) -> list[DestinationStatus]:
        """`said` counts all that was ever said. What a crash left half done is about right until the queue is empty."""
        entries = [(place, group) for group in self._groups.all() for place in group.places.values()]
        return [_status(mine) for _, mine in sorted(grouped(entries, lambda entry: entry[0].name).items())]

    def dead_letters(self) -> list[DeadLetter]:
        return self._replaying.dead_letters()

    def hold(self, destination: str, group: str) -> None:
        self._turn(destination, group, held=True)

    def release(self, destination: str, group: str) -> None:
        self._turn(destination, group, held=False)

    def _turn(self, destination: str, group: str, *, held: bool) -> None:
        """In every group that the destination was ever paced in: what was kept there still waits there."""
        self._just_seen.clear()
        for name in sorted({group, *(each.name for each in self._groups.all() if destination in each.places)}):
            self._groups.change(name, Change().set(attribute("held", destination), held))

    def replay(self, letters: Sequence[DeadLetter], *, to: str | None, group: str) -> int:
        self._just_seen.clear()
        return self._replaying.replay(letters, to=to, group=group)


def _as_it_was(turn: Turn, destination: str, change: Change) -> tuple[str, dict[str, Any]]:
    """The condition, and its values, that nobody began a card since `turn` was taken, nor held its destination.

    A card that died begun is told again although it is held.
    """
    same, facts = ("seq = :seq", {"seq": turn.seq}) if turn.seq else ("attribute_not_exists(seq)", {})
    if turn.died:
        return same, facts
    held = change.named(attribute("held", destination))
    return f"{same} AND (attribute_not_exists({held}) OR {held} = :free)", facts | {"free": False}


def _status(entries: list[tuple[Place, Group]]) -> DestinationStatus:
    """Of one destination; it has several entries when its pace group was changed."""
    place, group = max(entries, key=lambda entry: entry[0].latest)
    waits = [mine for mine, _ in entries if mine.next_at < math.inf]
    return DestinationStatus(
        destination=place.name,
        group=group.name,
        waiting=sum(max(mine.waiting, 0) for mine in waits),
        oldest=min((mine.oldest for mine in waits if mine.oldest is not None), default=None),
        not_before=max(group.not_before, min((mine.next_at for mine in waits), default=0.0)) or None,
        said=sum(mine.said for mine, _ in entries),
        given_up=sum(mine.given_up for mine, _ in entries),
        doubts=sum(mine.doubts for mine, _ in entries),
        last_verdict=place.last_verdict,
        last_reason=place.last_reason,
        held=any(mine.held for mine, _ in entries),
    )
