"""What the outbox's calls cost in DynamoDB's own units: `python -m tests.support.outbox_units` prints them.

On demand, a write unit is an item of up to 1 KB put or deleted, a read unit up to 4 KB read consistently, by item or by
query (DynamoDB developer guide, "Read and write operations").
"""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from bot.outbox.dynamodb import DynamoOutbox
from bot.senders.base import Verdict
from tests.support.clock import FakeClock
from tests.support.outbox_aws import FaultyAws
from tests.support.outbox_calls import login
from tests.support.outbox_stores import FREE
from tests.support.outbox_table import Item, SmallTable

WRITE, READ = 1024, 4096


class MeteredTable(SmallTable):
    """`writes` and `reads` are the units that were spent so far."""

    def __init__(self) -> None:
        super().__init__()
        self.writes = self.reads = 0

    def get_item(self, **asked: Any) -> Item:
        answer = super().get_item(**asked)
        self.reads += _units(READ, answer.get("Item", {}))
        return answer

    def query(self, **asked: Any) -> Item:
        answer = super().query(**asked)
        self.reads += _units(READ, *answer["Items"])
        return answer

    def batch_get_item(self, **asked: Any) -> Item:
        ((name, request),) = asked["RequestItems"].items()
        answer = super().batch_get_item(**asked)
        found = answer["Responses"][name]
        self.reads += sum(_units(READ, item) for item in found) + len(request["Keys"]) - len(found)
        return answer

    def batch_write_item(self, **asked: Any) -> Item:
        (requests,) = asked["RequestItems"].values()
        for each in requests:
            ((_, what),) = each.items()
            (item,) = what.values()
            self.writes += _units(WRITE, self._found(item) or {} if "Key" in what else item)
        return super().batch_write_item(**asked)

    def update_item(self, **asked: Any) -> Item:
        before = self._found(asked["Key"]) or {}
        answer = super().update_item(**asked)
        self.writes += max(_units(WRITE, before), _units(WRITE, self._found(asked["Key"]) or {}))
        return answer


def _units(size: int, *items: Item) -> int:
    return max(1, -(-sum(map(_bytes, items)) // size))


def _bytes(value: Any) -> int:
    """About what DynamoDB counts: names and values, and three bytes for a list or a map."""
    if isinstance(value, dict):
        return 3 + sum(len(name) + _bytes(each) for name, each in value.items())
    if isinstance(value, (list, tuple)):
        return 3 + sum(map(_bytes, value))
    return len(value) if isinstance(value, (str, bytes)) else 1


def spent() -> Iterator[tuple[str, float, float]]:
    """What was done, and the write and read units that it cost a login."""
    table, clock = MeteredTable(), FakeClock()
    store = DynamoOutbox("login-bot", FaultyAws(table), clock)

    def per_login(what: str, logins: int, *work: Callable[[], Any]) -> tuple[str, float, float]:
        writes, reads = table.writes, table.reads
        for do in work:
            do()
        return what, (table.writes - writes) / logins, (table.reads - reads) / logins

    def told(name: str, most: int) -> None:
        while (turn := store.waiting(name, most)).rows:
            card = store.begin(turn, turn.rows, 60.0, FREE)
            assert card is not None
            store.settle(card, Verdict.sent(), 0.0)

    def kept(numbers: range, *names: str) -> None:
        store.keep([login(number, name) for number in numbers for name in names])

    for number in range(3):  # the first ones find an empty table
        kept(range(number, number + 1), "quiet")
        told("quiet", 150)
    yield per_login(
        "a login alone, to one destination", 1, partial(kept, range(9, 10), "quiet"), partial(told, "quiet", 1)
    )
    names = ("slack", "teams")
    tell = [partial(told, name, 150) for name in names]
    yield per_login("1,000 at once, to two", 1000, partial(kept, range(1000, 2000), *names), *tell)
    yield per_login("a tick with nothing to do", 1, lambda: store.due(clock.now()), lambda: list(store.status()))


def main() -> None:
    for what, writes, reads in spent():
        print(f"{what:36}{writes:6.1f} writes {reads:6.1f} reads")  # noqa: T201 - that is what it is for


if __name__ == "__main__":
    main()
