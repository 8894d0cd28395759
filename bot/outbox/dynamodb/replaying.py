"""Replaying: given-up rows wait again, first, and only then are no letters any more."""

import math
from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet

from bot.clock import Clock
from bot.outbox.base import DeadLetter
from bot.outbox.dynamodb import table as calls
from bot.outbox.dynamodb.change import Change
from bot.outbox.dynamodb.groups import Groups
from bot.outbox.dynamodb.hints import came
from bot.outbox.dynamodb.items import attribute, grouped, item_of, key_of, letter_key, letter_partition
from bot.outbox.dynamodb.keeping import Keeping
from bot.outbox.dynamodb.letters import Letter
from bot.outbox.dynamodb.looking import Look, Looking
from bot.outbox.dynamodb.packs import PACK_ROWS, Entry
from bot.outbox.dynamodb.table import Table
from bot.senders.base import Outcome


class Replaying:
    def __init__(self, table: Table, groups: Groups, keeping: Keeping, looking: Looking, clock: Clock) -> None:
        self._table = table
        self._groups = groups
        self._keeping = keeping
        self._looking = looking
        self._clock = clock

    def dead_letters(self) -> list[DeadLetter]:
        names = sorted({name for group in self._groups.all() for name in group.places})
        letters = [Letter.of(item).read() for name in names for item in self._table.all(letter_partition(name))]
        return sorted(letters, key=lambda one: (one.given_up_at, one.kept_at, one.destination, one.event_id))

    def replay(self, letters: Sequence[DeadLetter], *, to: str | None, group: str) -> int:
        return sum(
            self._replay(letters[start : start + calls.AT_ONCE_WRITE], to, group)
            for start in range(0, len(letters), calls.AT_ONCE_WRITE)
        )

    def _replay(self, letters: Sequence[DeadLetter], to: str | None, group: str) -> int:
        """Waits first and leaves then: who dies between finds both, and replaying again does no harm."""
        found = self._letters(letters)
        by_target = grouped(found, lambda letter: (to or letter.row.destination, letter.row.event_id))
        if to is not None:  # one that was given up there, too, is told there in the same go
            for letter in self._letters_of(to, [event_id for _, event_id in by_target]):
                mine = by_target[to, letter.row.event_id]
                mine += [] if letter in mine else [letter]
        rows = self._rows_again(by_target, group)
        self._keeping.wait(rows)
        known = self._keeping.known({entry.row.event_id for entry in rows})
        self._keeping.make_known((entry.row for entry in rows), known)
        leaving = {letter.key: letter for mine in by_target.values() for letter in mine}
        self._table.delete(item_of(PK=partition, SK=sort_key) for partition, sort_key in leaving)
        self._uncount(leaving.values())
        return len(rows)

    def _rows_again(self, by_target: Mapping[tuple[str, str], list[Letter]], group: str) -> list[Entry]:
        """An entry for each target where the login neither waits nor was said."""
        known = self._keeping.known({event_id for _, event_id in by_target})
        rows = []
        for name, keys in grouped(by_target, lambda key: key[0]).items():
            stays = {event_id: _next_stay(name, by_target[name, event_id]) for _, event_id in keys}
            ends = {event_id: self._looking.ends(name, event_id) for event_id, stay in stays.items() if not stay}
            been = {event_id for event_id, ended in ends.items() if ended or name in known.get(event_id, ())}
            stays |= self._gone_elsewhere(name, ends)
            marked = self._looking.marked(name, stays.items())
            for event_id, stay in stays.items():
                if (event_id, stay) not in marked and (stay or event_id not in been):
                    mine = by_target[name, event_id]
                    doubts = sum(letter.row.doubts for letter in mine)
                    rows.append(mine[0].again(name, group, self._clock.now(), doubts, stay))
        return rows

    def _gone_elsewhere(self, name: str, ends: Mapping[str, Mapping[int, str]]) -> dict[str, int]:
        """The next stay of those that were given up there and then replayed elsewhere: they may come back.

        They have no letter there any more, as those have not that wait there again. What was given up is remembered
        for ever, what was said after that for as long as the login is known.
        """
        gone = {each: max(ended) + 1 for each, ended in ends.items() if ended and ended[max(ended)] == Outcome.DEAD}
        waiting = self._waiting(name, gone.keys()) if gone else set()
        return {event_id: stay for event_id, stay in gone.items() if event_id not in waiting}

    def _waiting(self, name: str, event_ids: AbstractSet[str]) -> set[str]:
        """Which of those wait there. They are announced again: who put them there may have died before he did."""
        waiting: set[str] = set()
        for group in self._groups.all():
            if name in group.places:
                look = Look(group, group.places[name])
                found = {entry.row.event_id for entry in self._looking.listed(look, math.inf, PACK_ROWS)} & event_ids
                if found:
                    self._groups.change(group.name, came(Change(), name, look.place.kept))
                waiting |= found
        return waiting

    def _letters(self, letters: Iterable[DeadLetter]) -> list[Letter]:
        keys = {(one.destination, one.event_id, one.given_up_at) for one in letters}
        return [Letter.of(item) for item in self._table.get([letter_key(*key) for key in sorted(keys)])]

    def _letters_of(self, destination: str, event_ids: Iterable[str]) -> list[Letter]:
        """The letters of those events that were given up at `destination`."""
        partition = letter_partition(destination)
        marked = sorted(event_id for event_id, _ in self._looking.marked(destination, [(one, 0) for one in event_ids]))
        return [Letter.of(item) for event_id in marked for item in self._table.all(partition, key_of(event_id, ""))]

    def _uncount(self, letters: Iterable[Letter]) -> None:
        for group, mine in grouped(letters, lambda letter: letter.row.group).items():
            change = Change()
            for name, of_it in grouped(mine, lambda letter: letter.row.destination).items():
                change.add(attribute("given_up", name), -len(of_it))
                change.add(attribute("doubts", name), -sum(letter.row.doubts for letter in of_it))
            self._groups.change(group, change)


def _next_stay(name: str, letters: Iterable[Letter]) -> int:
    return max((letter.stay + 1 for letter in letters if letter.row.destination == name), default=0)
