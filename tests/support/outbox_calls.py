"""How many calls the outbox makes to its DynamoDB table: `python -m tests.support.outbox_calls` prints them."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import TypeVar

from bot.outbox.base import Row
from bot.outbox.dynamodb import DynamoOutbox
from bot.senders.base import Verdict
from tests.support.clock import FakeClock
from tests.support.outbox_aws import FaultyAws
from tests.support.outbox_stores import FREE, make_row
from tests.support.outbox_table import SmallTable

Answer = TypeVar("Answer")


def login(number: int, destination: str) -> Row:
    """As long as most logins are."""
    event_id = f"{number:08d}-7d5a-4f3e-9b1c-0123456789ab"
    text = f'{{"number":{number},"and the rest":"{"x" * 460}"}}'
    return make_row(number, destination=destination, group=destination, event_id=event_id, login=text)


def calls(logins: int = 1000) -> Iterator[tuple[str, int, dict[str, int]]]:
    """What was done, how many calls it cost, and which: `logins` for two destinations, cards of 150 of them, and one
    login for a quiet destination.
    """
    aws, clock = FaultyAws(SmallTable()), FakeClock()
    store = DynamoOutbox("login-bot", aws, clock)

    def counted(what: str, do: Callable[[], Answer]) -> Answer:
        answer = do()
        spent = aws.spent()
        done.append((what, sum(spent.values()), spent))
        return answer

    done: list[tuple[str, int, dict[str, int]]] = []
    rows = [login(number, name) for number in range(logins) for name in ("slack", "teams")]
    counted(f"keep {len(rows):,} rows", lambda: store.keep(rows))
    counted("keep them again", lambda: store.keep(rows))
    counted("due", lambda: store.due(clock.now()))
    for verdict in (Verdict.sent(), Verdict.again("429"), Verdict.dead("410", "destination")):
        turn = counted("waiting, 150 at the most", lambda: store.waiting("slack", 150))
        card = counted("begin 150", partial(store.begin, turn, turn.rows, 60.0, FREE))
        assert card is not None
        counted(f"settle 150: {verdict.outcome}", partial(store.settle, card, verdict, 0.0))
    counted("keep one login", lambda: store.keep([login(1, "quiet")]))
    counted("due, for one", lambda: store.due(clock.now()))
    turn = counted("waiting, one does", lambda: store.waiting("quiet", 150))
    card = counted("begin one", partial(store.begin, turn, turn.rows, 60.0, FREE))
    assert card is not None
    counted("settle one: sent", partial(store.settle, card, Verdict.sent(), 0.0))
    counted("waiting, nothing does", lambda: store.waiting("quiet", 150))
    yield from done


def main() -> None:
    for what, number, which in calls():
        kinds = ", ".join(f"{kind} {count}" for kind, count in sorted(which.items()))
        print(f"{what:28}{number:4}  {kinds}")  # noqa: T201 - that is what it is for


if __name__ == "__main__":
    main()
