"""Letters: given-up rows, as operators read them and let them wait again."""

from dataclasses import dataclass

from bot.outbox.base import DeadLetter, Row
from bot.outbox.dynamodb.items import Item, item_of, letter_key, plain
from bot.outbox.dynamodb.packs import Entry, row_facts


@dataclass(frozen=True, slots=True)
class Letter:
    """A given-up row, and how often it had been given up before."""

    row: Row
    given_up_at: float
    stay: int

    @property
    def key(self) -> tuple[str, str]:
        key = letter_key(self.row.destination, self.row.event_id, self.given_up_at)
        return key["PK"]["S"], key["SK"]["S"]

    def item(self) -> Item:
        facts = row_facts(self.row) | {"group": self.row.group, "destination": self.row.destination}
        partition, sort_key = self.key
        return item_of(PK=partition, SK=sort_key, given_up_at=self.given_up_at, stay=self.stay, **facts)

    @classmethod
    def of(cls, item: Item) -> "Letter":
        facts = {name: plain(typed) for name, typed in item.items() if name not in ("PK", "SK")}
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

    def again(self, destination: str, group: str, now: float, doubts: int, stay: int) -> Entry:
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
        return Entry(row, now, stay)
