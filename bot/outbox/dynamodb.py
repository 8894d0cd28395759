"""The outbox in one DynamoDB table: for the function on AWS, many copies of which run at once.

No transactions and no index: batches of puts and deletes that may be repeated at any time, in an order in which dying
between any two calls costs nothing, and one item per pace group, where whatever must happen once is one conditional
write. docs/outbox.md draws the items and says why. In short:

    pack    up to 25 rows that came together; written once, deleted when each of them is done
    mark    what became of a row in a pack: said, given up, or moved to a later pack with one more try behind it
    group   the sequence number, the card, the pace, and hints where something waits
    known   the destinations for which an event was kept: makes duplicates cheap, and is trusted for nothing else
    letter  a given-up row, for operators

A row waits that is in a pack and has no mark. Each of its stays in a pack ends once, and its mark says the same whoever
writes it: so nothing that comes late, twice or half can bring back what was said.
"""

import heapq
import json
import math
import random
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import astuple, dataclass, field, fields, replace
from itertools import islice
from typing import Any, TypeVar
from urllib.parse import unquote

from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError
from botocore.exceptions import ConnectionError as NoConnectionError

from bot.aws import Aws, NoRegionError
from bot.clock import Clock
from bot.outbox.base import SAID_KEPT_SECONDS, Card, DeadLetter, DestinationStatus, OutboxError, Row, Turn
from bot.pace import Pace
from bot.senders.base import Outcome, Verdict

Item = dict[str, Any]
Thing = TypeVar("Thing")

TABLE: dict[str, Any] = {
    "KeySchema": [{"AttributeName": "PK", "KeyType": "HASH"}, {"AttributeName": "SK", "KeyType": "RANGE"}],
    "AttributeDefinitions": [
        {"AttributeName": "PK", "AttributeType": "S"},
        {"AttributeName": "SK", "AttributeType": "S"},
    ],
    "BillingMode": "PAY_PER_REQUEST",
}
"""The table as CreateTable takes it, but for its name."""

EXPIRES = "expires"
"""The attribute that the table's TTL looks at, in seconds since the epoch."""

SHARDS = 4
"""Partitions over which a destination's packs are spread: one takes 1,000 KB/s, and a storm brings more."""

PACK_ROWS = 25
PACK_BYTES = 200_000
"""An item ends at 400 KB. Most logins have half a kilobyte."""

CARD_BYTES = 100_000
"""The event ids of one card, which are written into its group's item: some 2,500 logins."""

KNOWN_SECONDS = 2 * SAID_KEPT_SECONDS
"""A row may wait for long before it is said, and is remembered from then on."""

FIRST_PAGE = 10
"""Packs that the first Query of a shard asks for; each further one asks for four times as many."""

PATIENCE = 3.0
TRIES = 7
"""A call is tried again for so many seconds, and so often: throttling passes, and every call may be repeated."""

AT_ONCE_GET, AT_ONCE_WRITE = 100, 25
"""The most keys and the most items that DynamoDB takes in one call."""

DIED = "the process ended before the verdict was written"

ROW_FACTS = tuple(each.name for each in fields(Row) if each.name not in ("destination", "group"))

PASSING = {
    "InternalServerError",
    "ProvisionedThroughputExceededException",
    "RequestLimitExceeded",
    "ServiceUnavailable",
    "ThrottlingException",
    "TransactionConflictException",
}

FREE_TO_BEGIN = (
    "(attribute_not_exists(not_before) OR not_before <= :now)"
    " AND (attribute_not_exists(lease_until) OR lease_until <= :now) AND attribute_not_exists(unswept)"
)


def create_table(client: Any, name: str) -> None:
    """Make the table, for tests and for whoever deploys without the template."""
    client.create_table(TableName=name, **TABLE)
    client.get_waiter("table_exists").wait(TableName=name, WaiterConfig={"Delay": 1})
    client.update_time_to_live(TableName=name, TimeToLiveSpecification={"Enabled": True, "AttributeName": EXPIRES})


# what the items say


@dataclass(frozen=True, slots=True)
class _Past:
    """What a row that is on a card has behind it. `stay` counts the packs that it was in before."""

    tries: int
    doubts: int
    first_try: float | None
    last_try: float | None
    last_reason: str
    stay: int

    @classmethod
    def of(cls, row: Row, stay: int) -> "_Past":
        return cls(row.tries, row.doubts, row.first_try, row.last_try, row.last_reason, stay)

    def told(self, row: Row) -> Row:
        """`row` as it is with this behind it."""
        facts = {name: getattr(self, name) for name in ("tries", "doubts", "first_try", "last_try", "last_reason")}
        return replace(row, **facts)


def _after_a_try(row: Row, begun_at: float, reason: str, *, tries: int = 0, doubts: int = 0) -> Row:
    first = begun_at if row.first_try is None else row.first_try
    tries, doubts = row.tries + tries, row.doubts + doubts
    return replace(row, tries=tries, doubts=doubts, first_try=first, last_try=begun_at, last_reason=reason)


@dataclass(frozen=True, slots=True)
class _Entry:
    """A row in a pack. It queues by `since`: when it was kept, or last on a card."""

    row: Row
    since: float
    stay: int = 0

    @property
    def name(self) -> tuple[str, int]:
        return self.row.event_id, self.stay


@dataclass(frozen=True, slots=True)
class _Pack:
    shard: int
    sort_key: str
    entries: tuple[_Entry, ...]

    @property
    def first(self) -> float:
        return min(entry.since for entry in self.entries)


@dataclass(frozen=True, slots=True)
class _OnCard:
    """What the group's item says of its card: whose it is, who began it, and its rows by event id."""

    destination: str
    by: str
    rows: Mapping[str, _Past]

    def to_json(self) -> str:
        """The rows of a card mostly have the same behind them: that is written once."""
        lots = [[*astuple(past), ids] for past, ids in _by(self.rows, lambda event_id: self.rows[event_id]).items()]
        return json.dumps({"to": self.destination, "by": self.by, "rows": lots}, ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str) -> "_OnCard":
        card = json.loads(text)
        rows = {event_id: _Past(*past) for *past, event_ids in card["rows"] for event_id in event_ids}
        return cls(card["to"], card["by"], rows)


@dataclass(slots=True)
class _Place:
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
        if where:
            getattr(self, what)[int(where[0])] = value
        else:
            setattr(self, what, value)


@dataclass(frozen=True, slots=True)
class _Group:
    """A group's item. A card is begun while there is a `lease_until`, settled and not yet swept while `unswept`."""

    name: str
    seq: int = 0
    not_before: float = 0.0
    posted: tuple[float, ...] = ()
    card: _OnCard | None = None
    begun_at: float = 0.0
    lease_until: float | None = None
    unswept: bool = False
    settled_seq: int = -1
    settled_as: str = ""
    settled_at: float = 0.0
    reason: str = ""
    ready_at: float = 0.0
    tried: bool = True
    places: Mapping[str, _Place] = field(default_factory=dict)

    @classmethod
    def of(cls, item: Item) -> "_Group":
        """An item's plain attributes are the group's, those with a `|` one destination's."""
        facts: dict[str, Any] = {}
        places: dict[str, _Place] = {}
        for attribute, typed in item.items():
            what, *where = attribute.split("|")
            if where:
                name = unquote(where[0])
                places.setdefault(name, _Place(name)).tell(what, where[1:], _plain(typed))
            elif what not in ("PK", "SK"):
                facts[what] = _plain(typed)
        facts["posted"] = tuple(json.loads(facts.get("posted", "[]")))
        facts["card"] = _OnCard.from_json(facts["card"]) if "card" in facts else None
        return cls(name=item["SK"]["S"], places=places, **facts)

    @property
    def swept(self) -> _OnCard:
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

    @property
    def oldest(self) -> float:
        waits = [place for place in self.places.values() if place.next_at < math.inf]
        return min((place.oldest or 0.0 for place in waits), default=0.0)


@dataclass(slots=True)
class _Look:
    """What one listing of a destination saw: each pack's entries that are not done, None where it was not asked yet."""

    group: _Group
    place: _Place
    packs: dict[tuple[int, str], dict[str, _Entry] | None] = field(default_factory=dict)
    listed: set[int] = field(default_factory=set)
    ended: set[int] = field(default_factory=set)
    reached: float = 0.0

    @property
    def entries(self) -> dict[str, _Entry]:
        return {event_id: entry for undone in self.packs.values() for event_id, entry in (undone or {}).items()}

    @property
    def done(self) -> list[tuple[int, str]]:
        return [key for key, undone in self.packs.items() if undone == {}]

    def without(self, names: set[tuple[str, int]]) -> None:
        for key, undone in self.packs.items():
            if undone:
                self.packs[key] = {each: entry for each, entry in undone.items() if entry.name not in names}

    def seen(self) -> dict[int, list[_Entry]]:
        """The shards that it saw to their end, with what is left in them."""
        known: dict[int, list[_Entry]] = {shard: [] for shard in self.ended}
        for (shard, _), undone in self.packs.items():
            if undone is None:
                known.pop(shard, None)
            elif shard in known:
                known[shard].extend(undone.values())
        return known


class _Change:
    """One UpdateItem, put together piece by piece."""

    def __init__(self) -> None:
        self._parts: dict[str, list[str]] = {}
        self._names: dict[str, str] = {}
        self._values: Item = {}

    def set(self, name: str, value: Any) -> "_Change":
        return self._note("SET", "{} = {}", name, value)

    def set_first(self, name: str, value: Any) -> "_Change":
        return self._note("SET", "{0} = if_not_exists({0}, {1})", name, value)

    def add(self, name: str, value: Any) -> "_Change":
        return self._note("ADD", "{} {}", name, value)

    def remove(self, name: str) -> "_Change":
        self._parts.setdefault("REMOVE", []).append(self._name(name))
        return self

    def _note(self, verb: str, form: str, name: str, value: Any) -> "_Change":
        placeholder = f":v{len(self._values)}"
        self._values[placeholder] = _typed(value)
        self._parts.setdefault(verb, []).append(form.format(self._name(name), placeholder))
        return self

    def _name(self, name: str) -> str:
        placeholder = f"#n{len(self._names)}"
        self._names[placeholder] = name
        return placeholder

    def request(self, condition: str, values: Mapping[str, Any]) -> Item:
        said: Item = {
            "UpdateExpression": " ".join(f"{verb} {', '.join(parts)}" for verb, parts in self._parts.items()),
            "ExpressionAttributeNames": self._names,
        }
        if condition:
            said["ConditionExpression"] = condition
        if every := self._values | {f":{name}": _typed(value) for name, value in values.items()}:
            said["ExpressionAttributeValues"] = every
        return said


class DynamoOutbox:
    """The outbox, and what operators read and turn, in the table `table_name` (see TABLE).

    Safe among threads, as long as each group is told by one of them at a time.
    """

    def __init__(self, table_name: str, aws: Aws, clock: Clock) -> None:
        self._table = table_name
        self._aws = aws
        self._clock = clock
        self._looks: dict[str, _Look] = {}  # by group: spares begin and settle a second listing

    # taking in

    def keep(self, rows: Sequence[Row]) -> int:
        """A pack first, then its group's hint, then `known`: who dies between them leaves a duplicate, never a gap."""
        asked = {(row.destination, row.event_id): row for row in reversed(rows)}  # of two the first
        known = self._known({event_id for _, event_id in asked})
        new = [row for row in reversed(asked.values()) if row.destination not in known.get(row.event_id, ())]
        if new:
            self._wait([_Entry(row, row.kept_at) for row in new])
            self._make_known(new, known)
        return len(new)

    def _known(self, event_ids: Iterable[str]) -> dict[str, set[str]]:
        found = self._get([_known_key(event_id) for event_id in sorted(event_ids)])
        return {item["event_id"]["S"]: set(item["to"]["SS"]) for item in found}

    def _make_known(self, rows: Iterable[Row], known: Mapping[str, set[str]]) -> None:
        to: dict[str, set[str]] = {}
        for row in rows:
            to.setdefault(row.event_id, set(known.get(row.event_id, ()))).add(row.destination)
        expires = int(self._clock.now() + KNOWN_SECONDS)
        self._put(
            _known_key(event_id) | _item(event_id=event_id, to=destinations) | {EXPIRES: _typed(expires)}
            for event_id, destinations in to.items()
        )

    def _wait(self, entries: Sequence[_Entry]) -> None:
        """Let new rows wait. Packs first, then the hint: whoever sees the hint, finds them.

        Several packs are announced, too: after a crash, the others come again and wait in the first shard, it may be,
        and nobody would ever look for these in theirs.
        """
        items: list[Item] = []
        hints: dict[str, _Change] = {}
        announced: dict[str, _Change] = {}
        for (group, name), mine in _by(entries, lambda entry: (entry.row.group, entry.row.destination)).items():
            packs = _in_packs(sorted(mine, key=lambda entry: entry.since), lambda _: uuid.uuid4().hex[:12])
            items += [_pack_item(group, name, pack) for pack in packs]
            if len(packs) > 1:
                _came(announced.setdefault(group, _Change()), name, packs)
            hint = _came(hints.setdefault(group, _Change()), name, packs)
            hint.add(_of("waiting", name), len(mine)).add(_of("doubts", name), sum(one.row.doubts for one in mine))
            hint.set_first(_of("oldest", name), packs[0].first).set_first(_of("since", name), packs[0].first)
            hint.set(_of("latest", name), self._clock.now())
        for group, hint in announced.items():
            self._change(group, hint)
        self._put(items)
        for group, hint in hints.items():
            self._change(group, hint)

    # telling

    def waiting(self, group: str, limit: int) -> Turn:
        found = self._swept(group)
        turn = Turn(group=group, seq=found.seq, rows=(), not_before=found.not_before)
        if found.lease_until is not None and self._clock.now() < found.lease_until:
            return replace(turn, not_before=max(turn.not_before, found.lease_until))
        if found.lease_until is not None and (died := self._rows_that_died(found)):
            return replace(turn, rows=died, died=True, posted=found.posted)
        rows, ready_at = self._ready(found, limit)
        return replace(turn, rows=rows, not_before=max(turn.not_before, ready_at), posted=found.posted)

    def _swept(self, name: str) -> _Group:
        while (group := self._group(name)).unswept:
            self._sweep(group)
        return group

    def _ready(self, group: _Group, limit: int) -> tuple[tuple[Row, ...], float]:
        """The ready rows of the destination that waits longest; where there are none, when the first one is."""
        now, ready_at = self._clock.now(), math.inf
        best: tuple[float, str] = (math.inf, "")
        chosen: tuple[tuple[Row, ...], _Look] | None = None
        for place in sorted(group.places.values(), key=lambda place: (place.since, place.name)):
            if place.held or place.next_at > now or place.since > best[0]:
                ready_at = ready_at if place.held else min(ready_at, place.next_at)
                continue
            look = _Look(group, place)
            entries = list(islice(self._listed(look, now, limit), limit))
            if not entries:
                ready_at = min(ready_at, self._tidy(look))
            elif (entries[0].since, place.name) < best:
                best, chosen = (entries[0].since, place.name), (_short_enough(entry.row for entry in entries), look)
        if chosen is None:
            return (), ready_at
        self._remember(chosen[1])
        return chosen[0], 0.0

    def _remember(self, look: _Look) -> None:
        """The one that saw more, of two that saw the same."""
        before = self._looks.get(look.group.name)
        if before is None or before.group.seq != look.group.seq or len(before.packs) <= len(look.packs):
            self._looks[look.group.name] = look

    def _rows_that_died(self, group: _Group) -> tuple[Row, ...]:
        card = group.swept
        look, missing, rows = _Look(group, group.places[card.destination]), set(card.rows), []
        for entry in self._listed(look, math.inf, len(missing)):
            if entry.row.event_id in missing:
                missing.remove(entry.row.event_id)
                rows.append(card.rows[entry.row.event_id].told(entry.row))
            if not missing:
                break
        self._remember(look)
        return tuple(sorted(rows, key=lambda row: row.kept_at))

    def _listed(self, look: _Look, now: float, limit: int) -> Iterator[_Entry]:
        """What is ready at `now`, in its order, read as it is asked for.

        An entry with a mark is done, however late it came into its pack: that is what nobody is told twice by.
        """
        ready: list[tuple[float, int, _Entry]] = []
        seen: set[str] = set()
        packs = self._packs(look, [shard for shard in look.place.kept if look.place.next_in(shard) <= now])
        while lot := _lot_of(packs, min(limit, AT_ONCE_GET - PACK_ROWS)):
            while ready and ready[0][0] < lot[0].first:
                yield heapq.heappop(ready)[2]
            marked = self._marked(look.place.name, [entry.name for pack in lot for entry in pack.entries])
            for pack in lot:
                undone = {entry.row.event_id: entry for entry in pack.entries if entry.name not in marked}
                look.packs[pack.shard, pack.sort_key], look.reached = undone, pack.first
                for event_id, entry in undone.items():
                    if entry.row.ready_at <= now and event_id not in seen:
                        heapq.heappush(ready, (entry.since, len(seen), entry))
                        seen.add(event_id)
        while ready:
            yield heapq.heappop(ready)[2]

    def _packs(self, look: _Look, shards: Iterable[int]) -> Iterator[_Pack]:
        return heapq.merge(*(self._packs_in(look, shard) for shard in shards), key=lambda pack: pack.first)

    def _packs_in(self, look: _Look, shard: int) -> Iterator[_Pack]:
        group, name = look.group.name, look.place.name
        look.listed.add(shard)
        page, start = FIRST_PAGE, Item()
        while True:
            answer = self._query(_pack_key(group, name, shard, "")["PK"], Limit=page, **start)
            packs = [_read_pack(item, group, name, shard) for item in answer["Items"]]
            look.packs |= {(shard, pack.sort_key): None for pack in packs}
            if "LastEvaluatedKey" not in answer:
                look.ended.add(shard)
                yield from packs
                return
            yield from packs
            page, start = page * 4, {"ExclusiveStartKey": answer["LastEvaluatedKey"]}

    def _marked(self, destination: str, names: Iterable[tuple[str, int]]) -> set[tuple[str, int]]:
        found = self._get([_mark_key(destination, *name) for name in dict.fromkeys(names)])
        return {(item["event_id"]["S"], int(item["SK"]["S"])) for item in found}

    def _tidy(self, look: _Look) -> float:
        """Nothing in it is ready: clear away what is done and note that. When something is; infinite when nothing."""
        change, place = _Change(), look.place
        self._delete_done(look)
        ready_at = min((place.next_in(shard) for shard in place.kept.keys() - look.seen().keys()), default=math.inf)
        for shard, entries in look.seen().items():
            ready_at = min(ready_at, _note_seen(change, place, shard, place.kept[shard], entries))
        if ready_at == math.inf:
            _note_empty(change, place)
        self._change(look.group.name, change)
        return ready_at

    def _delete_done(self, look: _Look) -> None:
        self._delete(_pack_key(look.group.name, look.place.name, *key) for key in look.done)

    def begin(self, turn: Turn, rows: Sequence[Row], lease: float, pace: Pace) -> Card | None:
        if not rows:
            return None
        began = self._begun_again(turn) if turn.died else self._begun(turn, rows)
        if began is None:
            return None
        rows, card = began
        now = self._clock.now()
        posted = pace.remember((*turn.posted, now))
        change = _Change().set("seq", turn.seq + 1).set("card", card.to_json()).set("begun_at", now)
        change.set("lease_until", now + lease).set("posted", json.dumps(posted)).set("not_before", pace.after(posted))
        if turn.died:
            change.add(_of("doubts", card.destination), len(rows))
        same, facts = ("seq = :seq", {"seq": turn.seq}) if turn.seq else ("attribute_not_exists(seq)", {})
        if not self._change(turn.group, change, f"{same} AND {FREE_TO_BEGIN}", now=now, **facts):
            found = self._group(turn.group)
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
        )

    def _begun(self, turn: Turn, rows: Sequence[Row]) -> tuple[Sequence[Row], _OnCard] | None:
        """The card of `rows`; None where one of them waits no more."""
        name, look = rows[0].destination, self._looks.get(turn.group)
        if look is None or look.group.seq != turn.seq or look.place.name != name:
            look = self._looked_again(turn, name, {row.event_id for row in rows})
        entries = look.entries if look else {}
        if any(row.event_id not in entries for row in rows):
            return None
        past = {row.event_id: _Past.of(row, entries[row.event_id].stay) for row in rows}
        return rows, _OnCard(name, uuid.uuid4().hex, past)

    def _looked_again(self, turn: Turn, name: str, event_ids: set[str]) -> _Look | None:
        """Where the rows of a turn are that was taken from another object."""
        group = self._group(turn.group)
        if group.seq != turn.seq or name not in group.places:
            return None
        look, missing = _Look(group, group.places[name]), set(event_ids)
        for entry in self._listed(look, math.inf, len(missing)):
            missing.discard(entry.row.event_id)
            if not missing:
                break
        self._remember(look)
        return look

    def _begun_again(self, turn: Turn) -> tuple[Sequence[Row], _OnCard] | None:
        """The card that died, with a doubt on each of its rows; None where it is not the group's any more."""
        died = self._group(turn.group)
        if died.seq != turn.seq or died.lease_until is None:
            return None
        card = died.swept
        rows = [_after_a_try(row, died.begun_at, DIED, doubts=1) for row in turn.rows]
        past = {row.event_id: _Past.of(row, card.rows[row.event_id].stay) for row in rows}
        return rows, _OnCard(card.destination, uuid.uuid4().hex, past)

    def settle(
        self, card: Card, verdict: Verdict, not_before: float, *, ready_at: float = 0.0, tried: bool = True
    ) -> bool:
        now, outcome = self._clock.now(), verdict.outcome.value
        posted, not_before = card.settled_at(now, not_before)
        change = _Change().set("seq", card.seq + 1).set("posted", json.dumps(posted)).set("not_before", not_before)
        change.set("settled_seq", card.seq).set("settled_as", outcome).set("settled_at", now)
        change.set("reason", verdict.reason).set("ready_at", ready_at).set("tried", tried)
        change.set("unswept", True).remove("lease_until")
        mine = "seq = :seq AND attribute_exists(lease_until)"
        if (answer := self._changed(card.group, change, "ALL_NEW", mine, seq=card.seq)) is not None:
            group = _Group.of(answer["Attributes"])
        else:
            group = self._group(card.group)
            if (group.settled_seq, group.settled_as) != (card.seq, outcome):
                return False
        if group.unswept:
            with suppress(OutboxError):  # the verdict is written; whoever asks next what waits finishes the sweep
                self._sweep(group, card.rows)
        return True

    # sweeping

    def _sweep(self, group: _Group, rows: Sequence[Row] | None = None) -> None:
        """What the verdict means for each row. Repeatable from any point, by anybody, by several at once."""
        card, outcome = group.swept, Outcome(group.settled_as)
        place, moved = group.places[card.destination], []
        if outcome is not Outcome.SENT:
            rows = sorted(rows or self._rows_swept(group), key=lambda row: (row.kept_at, row.event_id))
            complete = len(rows) == len(card.rows)  # or else whoever was here before came further than this
            if outcome is Outcome.DEAD and complete:
                self._put(_letter(row, group).item() for row in rows)
            if outcome is not Outcome.DEAD:
                entries = [_Entry(_moved(row, group), group.begun_at, card.rows[row.event_id].stay + 1) for row in rows]
                moved = _in_packs(entries, lambda number: f"{group.settled_seq:09d}.{number:03d}")
                if complete:
                    self._put(_pack_item(group.name, place.name, pack) for pack in moved)
        self._put(_mark(group, event_id) for event_id in card.rows)
        change = _Change().remove("unswept").remove("card")
        change.set(_of("last_verdict", place.name), outcome.value).set(_of("last_reason", place.name), group.reason)
        self._count(group, place, outcome, change)
        self._clear_away(group, place, moved, change)
        unswept = "settled_seq = :seq AND attribute_exists(unswept)"
        if not self._change(group.name, change, unswept, seq=group.settled_seq) and moved:
            self._change(group.name, _came(_Change(), place.name, moved))  # late: others may be through with these

    def _rows_swept(self, group: _Group) -> list[Row]:
        """The card's rows, out of the packs in which they waited for it; fewer, where those are cleared away."""
        card = group.swept
        look, rows = _Look(group, group.places[card.destination]), {}
        for pack in self._packs(look, look.place.kept):
            for entry in pack.entries:
                past = card.rows.get(entry.row.event_id)
                if past is not None and past.stay == entry.stay:
                    rows[entry.row.event_id] = past.told(entry.row)
            if len(rows) == len(card.rows):
                break
        return list(rows.values())

    def _count(self, group: _Group, place: _Place, outcome: Outcome, change: _Change) -> None:
        rows = len(group.swept.rows)
        if outcome in (Outcome.SENT, Outcome.DEAD):
            change.add(_of("said" if outcome is Outcome.SENT else "given_up", place.name), rows)
        if outcome is Outcome.UNSURE and group.tried:
            change.add(_of("doubts", place.name), rows)

    def _clear_away(self, group: _Group, place: _Place, moved: Sequence[_Pack], change: _Change) -> None:
        """Once its rows are marked: delete what is done, and note what is known of the rest."""
        look = self._looks.pop(group.name, None)
        if look is None or look.group.seq != group.settled_seq - 1:
            look = _Look(group, place)
        look.without({(event_id, past.stay) for event_id, past in group.swept.rows.items()})
        self._delete_done(look)
        self._note(place, look, moved, change, leaving=0 if moved else len(group.swept.rows))

    def _note(self, place: _Place, look: _Look, moved: Sequence[_Pack], change: _Change, leaving: int) -> None:
        """The hints of a swept destination, in the one write that ends the sweep."""
        left = look.seen()
        coming = _by(moved, lambda pack: pack.shard)
        nothing = True
        for shard in sorted(place.kept.keys() | coming.keys()):
            more = [entry for pack in coming.get(shard, ()) for entry in pack.entries]
            if more:
                change.add(_of("kept", place.name, shard), 1)
            if shard in left:
                kept = look.place.kept[shard] + bool(more)
                nothing &= _note_seen(change, place, shard, kept, left[shard] + more) == math.inf
                nothing &= kept - bool(more) == place.kept[shard]
            elif place.kept.get(shard) == place.seen.get(shard):
                ready_at = min([place.ready.get(shard, math.inf), *(entry.row.ready_at for entry in more)])
                nothing &= ready_at == math.inf
                if more:
                    change.set(_of("seen", place.name, shard), place.kept.get(shard, 0) + 1)
                    change.set(_of("ready", place.name, shard), ready_at)
            else:
                nothing = False
        if nothing:
            _note_empty(change, place)
            return
        if leaving:
            change.add(_of("waiting", place.name), -leaving)
        self._note_queue(place, look, [entry for pack in moved for entry in pack.entries], change)

    def _note_queue(self, place: _Place, look: _Look, moved: Sequence[_Entry], change: _Change) -> None:
        """Where the queue begins now, if this look can tell."""
        entries = [*look.entries.values(), *moved]
        unseen = [place.next_in(shard) < math.inf for shard in place.kept.keys() - look.seen().keys()]
        whole = not any(unseen)
        if moved or place.moved:
            change.set(_of("moved", place.name), not whole or any(entry.stay for entry in entries))
        if any(place.next_in(shard) < math.inf for shard in place.kept.keys() - look.listed) or (whole and not entries):
            return
        beyond = [] if whole else [look.reached]
        change.set(_of("since", place.name), min([*beyond, *(entry.since for entry in entries)]))
        if whole or not (moved or place.moved):
            change.set(_of("oldest", place.name), min([*beyond, *(entry.row.kept_at for entry in entries)]))

    def due(self, now: float) -> list[str]:
        due = [group for group in self._groups() if group.next_at <= now]
        return [group.name for group in sorted(due, key=lambda group: (group.oldest, group.name))]

    # for operators

    def next_due(self) -> float | None:
        soonest = min((group.next_at for group in self._groups()), default=math.inf)
        return soonest if soonest < math.inf else None

    def status(self) -> list[DestinationStatus]:
        """`said` counts all that was ever said. What a crash left half done is about right until the queue is empty."""
        entries = [(place, group) for group in self._groups() for place in group.places.values()]
        return [_status(mine) for _, mine in sorted(_by(entries, lambda entry: entry[0].name).items())]

    def dead_letters(self) -> list[DeadLetter]:
        names = sorted({name for group in self._groups() for name in group.places})
        letters = [_Letter.of(item).read() for name in names for item in self._all(_letter_partition(name))]
        return sorted(letters, key=lambda one: (one.given_up_at, one.kept_at, one.destination, one.event_id))

    def hold(self, destination: str, group: str) -> None:
        self._turn(destination, group, held=True)

    def release(self, destination: str, group: str) -> None:
        self._turn(destination, group, held=False)

    def _turn(self, destination: str, group: str, *, held: bool) -> None:
        """In every group that the destination was ever paced in: what was kept there still waits there."""
        for name in sorted({group, *(each.name for each in self._groups() if destination in each.places)}):
            self._change(name, _Change().set(_of("held", destination), held))

    def replay(self, letters: Sequence[DeadLetter], *, to: str | None, group: str) -> int:
        return sum(
            self._replay(letters[start : start + AT_ONCE_WRITE], to, group)
            for start in range(0, len(letters), AT_ONCE_WRITE)
        )

    def _replay(self, letters: Sequence[DeadLetter], to: str | None, group: str) -> int:
        """Waits first and leaves then: who dies between finds both, and replaying again does no harm."""
        found = self._letters(letters)
        by_target = _by(found, lambda letter: (to or letter.row.destination, letter.row.event_id))
        if to is not None:  # one that was given up there, too, is told there in the same go
            for letter in self._letters_of(to, [event_id for _, event_id in by_target]):
                by_target[to, letter.row.event_id].append(letter)
        rows = self._rows_again(by_target, group)
        self._wait(rows)
        self._make_known((entry.row for entry in rows), self._known({entry.row.event_id for entry in rows}))
        leaving = {letter.key: letter for mine in by_target.values() for letter in mine}
        self._delete(_item(PK=partition, SK=sort_key) for partition, sort_key in leaving)
        self._uncount(leaving.values())
        return len(rows)

    def _rows_again(self, by_target: Mapping[tuple[str, str], list["_Letter"]], group: str) -> list[_Entry]:
        """An entry for each target where the login neither waits nor was said."""
        stays = {
            (name, event_id): max((letter.stay + 1 for letter in mine if letter.row.destination == name), default=0)
            for (name, event_id), mine in by_target.items()
        }
        known = self._known({event_id for _, event_id in by_target})
        rows = []
        for name, keys in _by(by_target, lambda key: key[0]).items():
            marked = self._marked(name, [(event_id, stays[name, event_id]) for _, event_id in keys])
            for key in keys:
                event_id, stay = key[1], stays[key]
                if (event_id, stay) not in marked and (stay or name not in known.get(event_id, ())):
                    doubts = sum(letter.row.doubts for letter in by_target[key])
                    rows.append(by_target[key][0].again(name, group, self._clock.now(), doubts, stay))
        return rows

    def _letters(self, letters: Iterable[DeadLetter]) -> list["_Letter"]:
        keys = {(one.destination, one.event_id, one.given_up_at) for one in letters}
        return [_Letter.of(item) for item in self._get([_letter_key(*key) for key in sorted(keys)])]

    def _letters_of(self, destination: str, event_ids: Iterable[str]) -> list["_Letter"]:
        """The letters of those events that were given up at `destination`."""
        partition = _letter_partition(destination)
        marked = sorted(event_id for event_id, _ in self._marked(destination, [(one, 0) for one in event_ids]))
        return [_Letter.of(item) for event_id in marked for item in self._all(partition, _key(event_id, ""))]

    def _uncount(self, letters: Iterable["_Letter"]) -> None:
        for group, mine in _by(letters, lambda letter: letter.row.group).items():
            change = _Change()
            for name, of_it in _by(mine, lambda letter: letter.row.destination).items():
                change.add(_of("given_up", name), -len(of_it))
                change.add(_of("doubts", name), -sum(letter.row.doubts for letter in of_it))
            self._change(group, change)

    # the table

    def _group(self, name: str) -> _Group:
        found = self._ask("get_item", Key=_group_key(name), ConsistentRead=True).get("Item")
        return _Group.of(found) if found else _Group(name)

    def _groups(self) -> list[_Group]:
        return [_Group.of(item) for item in self._all(_group_key("")["PK"])]

    def _change(self, group: str, change: _Change, condition: str = "", **values: Any) -> bool:
        """Whether the condition held, and the change was made."""
        return self._changed(group, change, "NONE", condition, **values) is not None

    def _changed(self, group: str, change: _Change, answer: str, condition: str = "", **values: Any) -> Item | None:
        try:
            request = change.request(condition, values)
            return self._ask("update_item", Key=_group_key(group), ReturnValues=answer, **request)
        except _ConditionError:
            return None

    def _all(self, partition: Item, beginning: str = "") -> Iterator[Item]:
        start = Item()
        while True:
            answer = self._query(partition, beginning, **start)
            yield from answer["Items"]
            if "LastEvaluatedKey" not in answer:
                return
            start = {"ExclusiveStartKey": answer["LastEvaluatedKey"]}

    def _query(self, partition: Item, beginning: str = "", **how: Any) -> Item:
        values = {":pk": partition} | ({":sk": _typed(beginning)} if beginning else {})
        return self._ask(
            "query",
            KeyConditionExpression="PK = :pk" + (" AND begins_with(SK, :sk)" if beginning else ""),
            ExpressionAttributeValues=values,
            ConsistentRead=True,
            **how,
        )

    def _get(self, keys: Sequence[Item]) -> list[Item]:
        """The items that there are, in no order."""
        found: list[Item] = []

        def get(some: list[Item]) -> list[Item]:
            answer = self._ask("batch_get_item", RequestItems={self._table: {"Keys": some, "ConsistentRead": True}})
            found.extend(answer["Responses"].get(self._table, []))
            left: list[Item] = answer.get("UnprocessedKeys", {}).get(self._table, {}).get("Keys", [])
            return left

        self._in_batches(keys, AT_ONCE_GET, get)
        return found

    def _put(self, items: Iterable[Item]) -> None:
        self._write([{"PutRequest": {"Item": item}} for item in items])

    def _delete(self, keys: Iterable[Item]) -> None:
        self._write([{"DeleteRequest": {"Key": key}} for key in keys])

    def _write(self, requests: Sequence[Item]) -> None:
        def write(some: list[Item]) -> list[Item]:
            answer = self._ask("batch_write_item", RequestItems={self._table: some})
            left: list[Item] = answer.get("UnprocessedItems", {}).get(self._table, [])
            return left

        self._in_batches(requests, AT_ONCE_WRITE, write)

    def _in_batches(self, things: Sequence[Item], most: int, call: Callable[[list[Item]], list[Item]]) -> None:
        """Call with up to `most` of `things` at once. What a call leaves over is asked for again."""
        for start in range(0, len(things), most):
            left = list(things[start : start + most])
            for _ in self._tries():
                left = call(left)
                if not left:
                    break
            else:
                raise OutboxError(f"DynamoDB table {self._table!r}: throttled; {CURES['ThrottlingException']}")

    def _ask(self, operation: str, **request: Any) -> Item:
        """One call's answer. Raises _ConditionError where a condition did not hold, OutboxError where nothing helps."""
        if "RequestItems" not in request:
            request["TableName"] = self._table
        failed: Exception | None = None
        for _ in self._tries():
            try:
                answer: Item = getattr(self._aws.client("dynamodb"), operation)(**request)
            except (ClientError, BotoCoreError, NoRegionError) as error:
                if _code(error) == "ConditionalCheckFailedException":
                    raise _ConditionError from None
                failed = error
                if not _passes(error):
                    break
            else:
                return answer
        raise OutboxError(f"DynamoDB table {self._table!r}: {failed}; {_cure(failed)}") from failed

    def _tries(self) -> Iterator[None]:
        """Now, and again after ever longer pauses, as long as patience lasts."""
        until = self._clock.now() + PATIENCE
        for attempt in range(TRIES):
            if attempt:
                pause = 0.05 * 2 ** (attempt - 1) * random.uniform(0.5, 1.0)  # noqa: S311 - spreads copies, hides nothing
                if self._clock.now() + pause > until:
                    return
                self._clock.sleep(pause)
            yield


class _ConditionError(Exception):
    """A conditional write did not find what it asked for: somebody was first."""


@dataclass(frozen=True, slots=True)
class _Letter:
    """A given-up row, and how often it had been given up before."""

    row: Row
    given_up_at: float
    stay: int

    @property
    def key(self) -> tuple[str, str]:
        key = _letter_key(self.row.destination, self.row.event_id, self.given_up_at)
        return key["PK"]["S"], key["SK"]["S"]

    def item(self) -> Item:
        facts = _row_facts(self.row) | {"group": self.row.group, "destination": self.row.destination}
        partition, sort_key = self.key
        return _item(PK=partition, SK=sort_key, given_up_at=self.given_up_at, stay=self.stay, **facts)

    @classmethod
    def of(cls, item: Item) -> "_Letter":
        facts = {name: _plain(typed) for name, typed in item.items() if name not in ("PK", "SK")}
        given_up_at, stay = facts.pop("given_up_at"), facts.pop("stay")
        return cls(Row(**({"login": ""} | facts)), given_up_at, stay)

    def read(self) -> DeadLetter:
        row = self.row
        return DeadLetter(
            destination=row.destination,
            event_id=row.event_id,
            login=row.login,
            reason=row.last_reason,
            tries=row.tries,
            doubts=row.doubts,
            kept_at=row.kept_at,
            first_try=row.first_try,
            last_try=row.last_try,
            given_up_at=self.given_up_at,
        )

    def again(self, destination: str, group: str, now: float, doubts: int, stay: int) -> _Entry:
        row = Row(
            destination=destination,
            event_id=self.row.event_id,
            group=group,
            login=self.row.login,
            why=self.row.why,
            kept_at=now,
            doubts=doubts,
            last_reason=f"replayed: {self.row.last_reason}",
        )
        return _Entry(row, now, stay)


# keys: their parts are escaped, so that no name can pass for two


def _key(*parts: str) -> str:
    return "|".join(part.replace("%", "%25").replace("|", "%7C") for part in parts)


def _of(what: str, destination: str, shard: int | None = None) -> str:
    """The name of a destination's attribute in its group's item."""
    return _key(what, destination) if shard is None else _key(what, destination, str(shard))


def _group_key(group: str) -> Item:
    return _item(PK="groups", SK=group)


def _pack_key(group: str, destination: str, shard: int, sort_key: str) -> Item:
    return _item(PK=_key("waiting", group, destination, str(shard)), SK=sort_key)


def _mark_key(destination: str, event_id: str, stay: int) -> Item:
    return _item(PK=_key("done", destination, event_id), SK=str(stay))


def _known_key(event_id: str) -> Item:
    return _item(PK=_key("known", event_id), SK="known")


def _letter_partition(destination: str) -> Item:
    return _typed(_key("given up", destination))


def _letter_key(destination: str, event_id: str, given_up_at: float) -> Item:
    return {"PK": _letter_partition(destination), "SK": _typed(_key(event_id, repr(float(given_up_at))))}


# what is in the items


def _item(**facts: Any) -> Item:
    return {name: _typed(value) for name, value in facts.items()}


def _typed(value: Any) -> Item:
    if isinstance(value, bool):
        return {"BOOL": value}
    if isinstance(value, str):
        return {"S": value}
    if isinstance(value, set):
        return {"SS": sorted(value)}
    return {"N": repr(value)}


def _plain(typed: Item) -> Any:
    ((kind, value),) = typed.items()
    if kind != "N":
        return value
    return int(value) if value.lstrip("-").isdigit() else float(value)


def _row_facts(row: Row) -> dict[str, Any]:
    """All of a row that its key does not say, without what is as usual."""
    facts = {name: getattr(row, name) for name in ROW_FACTS}
    return {name: value for name, value in facts.items() if value not in (None, "", 0)}


def _pack_item(group: str, destination: str, pack: _Pack) -> Item:
    facts = [_row_facts(entry.row) | {"since": entry.since, "stay": entry.stay} for entry in pack.entries]
    key = _pack_key(group, destination, pack.shard, pack.sort_key)
    return key | _item(rows=json.dumps(facts, ensure_ascii=False, separators=(",", ":")))


def _read_pack(item: Item, group: str, destination: str, shard: int) -> _Pack:
    def entry(since: float, stay: int, login: str = "", **facts: Any) -> _Entry:
        return _Entry(Row(destination=destination, group=group, login=login, **facts), since, stay)

    return _Pack(shard, item["SK"]["S"], tuple(entry(**facts) for facts in json.loads(item["rows"]["S"])))


def _mark(group: _Group, event_id: str) -> Item:
    """What became of a row of the settled card. The row may be forgotten later; what was given up is not."""
    card = group.swept
    past = card.rows[event_id]
    facts = {"event_id": event_id, "as": group.settled_as, "at": group.settled_at, "doubts": past.doubts}
    if group.settled_as != Outcome.DEAD:
        facts[EXPIRES] = int(group.settled_at + SAID_KEPT_SECONDS)
    return _mark_key(card.destination, event_id, past.stay) | _item(**facts)


def _moved(row: Row, group: _Group) -> Row:
    """A row of a card that was not taken, as it waits on."""
    row = replace(row, ready_at=group.ready_at)
    if not group.tried:
        return replace(row, last_reason=group.reason)
    doubts = int(group.settled_as == Outcome.UNSURE)
    return _after_a_try(row, group.begun_at, group.reason, tries=1 - doubts, doubts=doubts)


def _letter(row: Row, group: _Group) -> _Letter:
    tried = _after_a_try(row, group.begun_at, group.reason, tries=1) if group.tried else row
    letter = replace(tried, last_reason=group.reason)
    return _Letter(letter, group.settled_at, group.swept.rows[row.event_id].stay)


def _came(change: _Change, destination: str, packs: Iterable[_Pack]) -> _Change:
    """That there is something to look for in the shards of `packs`."""
    for shard in sorted({pack.shard for pack in packs}):
        change.add(_of("kept", destination, shard), 1)
    return change


def _note_seen(change: _Change, place: _Place, shard: int, kept: int, entries: Iterable[_Entry]) -> float:
    """That a shard was seen to its end after so many keeps with `entries` in it. When the first of them is ready."""
    ready_at = min((entry.row.ready_at for entry in entries), default=math.inf)
    change.set(_of("seen", place.name, shard), kept)
    if ready_at < math.inf:
        change.set(_of("ready", place.name, shard), ready_at)
    else:
        change.remove(_of("ready", place.name, shard))
    return ready_at


def _note_empty(change: _Change, place: _Place) -> None:
    change.set(_of("waiting", place.name), 0)
    for what in ("oldest", "since", "moved"):
        change.remove(_of(what, place.name))


def _status(entries: list[tuple[_Place, _Group]]) -> DestinationStatus:
    """Of one destination; it has several entries when its pace group was changed."""
    place, group = max(entries, key=lambda entry: entry[0].latest)
    waits = [mine for mine, _ in entries if mine.next_at < math.inf]
    return DestinationStatus(
        destination=place.name,
        group=group.name,
        waiting=sum(max(mine.waiting, 0) for mine in waits),
        oldest=min((mine.oldest for mine in waits if mine.oldest is not None), default=None),
        not_before=group.not_before or None,
        said=sum(mine.said for mine, _ in entries),
        given_up=sum(mine.given_up for mine, _ in entries),
        doubts=sum(mine.doubts for mine, _ in entries),
        last_verdict=place.last_verdict,
        last_reason=place.last_reason,
        held=any(mine.held for mine, _ in entries),
    )


# portions


def _in_packs(entries: Iterable[_Entry], name: Callable[[int], str]) -> list[_Pack]:
    """The first pack goes to the first shard, and so on: a quiet destination has one, a storm is spread over all."""
    packs: list[_Pack] = []
    for number, lot in enumerate(_in_lots(entries)):
        sort_key = f"{min(entry.since for entry in lot):017.6f}|{name(number)}"
        packs.append(_Pack(number % SHARDS, sort_key, tuple(lot)))
    return packs


def _in_lots(entries: Iterable[_Entry]) -> Iterator[list[_Entry]]:
    lot: list[_Entry] = []
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


def _lot_of(packs: Iterator[_Pack], rows: int) -> list[_Pack]:
    """The next packs, as many as hold at least `rows` rows."""
    lot: list[_Pack] = []
    while sum(len(pack.entries) for pack in lot) < rows and (pack := next(packs, None)) is not None:
        lot.append(pack)
    return lot


def _short_enough(rows: Iterable[Row]) -> tuple[Row, ...]:
    sizes = 0
    card: list[Row] = []
    for row in rows:
        sizes += len(row.event_id.encode())
        if card and sizes > CARD_BYTES:
            break
        card.append(row)
    return tuple(card)


def _by(things: Iterable[Thing], key: Callable[[Thing], Any]) -> dict[Any, list[Thing]]:
    lots: dict[Any, list[Thing]] = {}
    for thing in things:
        lots.setdefault(key(thing), []).append(thing)
    return lots


# what can go wrong

CURES = {
    "ResourceNotFoundException": "deploy the table, or mend TABLE_NAME and the region",
    "AccessDeniedException": "allow the function's role to use the table",
    "UnrecognizedClientException": "mend the AWS credentials",
    "ThrottlingException": "nothing is lost, and it is tried again",
}


def _code(error: Exception | None) -> str:
    return str(error.response.get("Error", {}).get("Code", "")) if isinstance(error, ClientError) else ""


def _passes(error: Exception) -> bool:
    """Whether asking again may help. Where the first call took effect after all, nothing is done twice by it."""
    if isinstance(error, ClientError):
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        return _code(error) in PASSING or status >= 500
    return isinstance(error, (HTTPClientError, NoConnectionError))


def _cure(error: Exception | None) -> str:
    if isinstance(error, NoRegionError):
        return "set AWS_REGION"
    return CURES.get(_code(error), CURES["ThrottlingException"] if error and _passes(error) else "look at the table")
