"""How the table's items are written: keys, whose parts no name can blur, and values with their DynamoDB types."""

from collections.abc import Callable, Iterable
from typing import Any, TypeVar

Item = dict[str, Any]
Thing = TypeVar("Thing")


def key_of(*parts: str) -> str:
    return "|".join(part.replace("%", "%25").replace("|", "%7C") for part in parts)


def attribute(what: str, destination: str, shard: int | None = None) -> str:
    """The name of a destination's attribute in its group's item."""
    return key_of(what, destination) if shard is None else key_of(what, destination, str(shard))


def group_key(group: str) -> Item:
    return item_of(PK="groups", SK=group)


def pack_key(group: str, destination: str, shard: int, sort_key: str) -> Item:
    return item_of(PK=key_of("waiting", group, destination, str(shard)), SK=sort_key)


def mark_key(destination: str, event_id: str, stay: int) -> Item:
    return item_of(PK=key_of("done", destination, event_id), SK=str(stay))


def known_key(event_id: str) -> Item:
    return item_of(PK=key_of("known", event_id), SK="known")


def letter_partition(destination: str) -> Item:
    return typed(key_of("given up", destination))


def letter_key(destination: str, event_id: str, given_up_at: float) -> Item:
    return {"PK": letter_partition(destination), "SK": typed(key_of(event_id, repr(float(given_up_at))))}


def item_of(**facts: Any) -> Item:
    return {name: typed(value) for name, value in facts.items()}


def typed(value: Any) -> Item:
    if isinstance(value, bool):
        return {"BOOL": value}
    if isinstance(value, str):
        return {"S": value}
    if isinstance(value, set):
        return {"SS": sorted(value)}
    return {"N": repr(value)}


def plain(typed: Item) -> Any:
    ((kind, value),) = typed.items()
    if kind != "N":
        return value
    return int(value) if value.lstrip("-").isdigit() else float(value)


def grouped(things: Iterable[Thing], key: Callable[[Thing], Any]) -> dict[Any, list[Thing]]:
    lots: dict[Any, list[Thing]] = {}
    for thing in things:
        lots.setdefault(key(thing), []).append(thing)
    return lots
