"""One UpdateItem, put together piece by piece."""

from collections.abc import Mapping
from typing import Any

from bot.outbox.dynamodb.items import Item, typed


class Change:
    """One UpdateItem, put together piece by piece."""

    def __init__(self) -> None:
        self._parts: dict[str, list[str]] = {}
        self._names: dict[str, str] = {}
        self._values: Item = {}

    def set(self, name: str, value: Any) -> "Change":
        return self._note("SET", "{} = {}", name, value)

    def set_first(self, name: str, value: Any) -> "Change":
        return self._note("SET", "{0} = if_not_exists({0}, {1})", name, value)

    def add(self, name: str, value: Any) -> "Change":
        return self._note("ADD", "{} {}", name, value)

    def remove(self, name: str) -> "Change":
        self._parts.setdefault("REMOVE", []).append(self.named(name))
        return self

    def _note(self, verb: str, form: str, name: str, value: Any) -> "Change":
        placeholder = f":v{len(self._values)}"
        self._values[placeholder] = typed(value)
        self._parts.setdefault(verb, []).append(form.format(self.named(name), placeholder))
        return self

    def named(self, name: str) -> str:
        """How the change, or its condition, calls an attribute."""
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
        if every := self._values | {f":{name}": typed(value) for name, value in values.items()}:
            said["ExpressionAttributeValues"] = every
        return said
