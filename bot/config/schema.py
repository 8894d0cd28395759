"""The JSON Schema of routing files, for editors: generated from the very classes that read them."""

from typing import Any

from pydantic import TypeAdapter
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema

from bot.config.keys import FileKeys
from bot.senders import REGISTRY, sender_class

DIALECT = "https://json-schema.org/draft/2020-12/schema"
_DOTTED = r"^[\w.]+:\w+$"


def schema() -> dict[str, Any]:
    """JSON Schema, draft 2020-12, of a routing file with every built-in type of destination."""
    whole = FileKeys.model_json_schema(schema_generator=_Plain)
    definitions = whole.pop("$defs")
    usual = definitions.pop("DestinationKeys")
    for type_ in REGISTRY:
        definitions[_definition(type_)] = _destination(type_, usual, definitions)
    definitions["DestinationKeys"] = _any_destination(usual)
    return {"$schema": DIALECT, "title": "Routing file of the WorkSpaces login bot", **whole, "$defs": definitions}


def _definition(type_: str) -> str:
    return f"{type_.capitalize()}Destination"


def _destination(type_: str, usual: dict[str, Any], definitions: dict[str, Any]) -> dict[str, Any]:
    """The keys of one built-in type and no others."""
    own = TypeAdapter(sender_class(type_).Settings).json_schema(schema_generator=_Plain)
    definitions.update(own.pop("$defs", {}))
    about = own.get("description", "")
    return {
        "description": f"A destination of type {type_}. {about}".strip(),
        "type": "object",
        "properties": {**usual["properties"], "type": {"const": type_}, **own.get("properties", {})},
        "required": ["type", *own.get("required", [])],
        "additionalProperties": False,
    }


def _any_destination(usual: dict[str, Any]) -> dict[str, Any]:
    """A destination whose `type` decides which keys it takes; somebody's own class takes what it takes."""
    types = {"anyOf": [{"enum": list(REGISTRY)}, {"type": "string", "pattern": _DOTTED}]}
    by_type = [
        {
            "if": {"properties": {"type": {"const": type_}}, "required": ["type"]},
            "then": {"$ref": f"#/$defs/{_definition(type_)}"},
        }
        for type_ in REGISTRY
    ]
    typed = {**usual["properties"]["type"], **types}
    typed.pop("type", None)
    return {
        "description": usual["description"],
        "type": "object",
        "properties": {**usual["properties"], "type": typed},
        "required": ["type"],
        "allOf": by_type,
    }


class _Plain(GenerateJsonSchema):
    """No titles, no `null`: a key is written with a value, or left out."""

    def field_title_should_be_set(self, schema: Any) -> bool:  # noqa: ARG002 - pydantic's signature
        return False

    def nullable_schema(self, schema: core_schema.NullableSchema) -> JsonSchemaValue:
        return self.generate_inner(schema["schema"])

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> JsonSchemaValue:
        if not isinstance(schema.get("default"), str | bool):
            return self.generate_inner(schema["schema"])
        return super().default_schema(schema)

    def dict_schema(self, schema: core_schema.DictSchema) -> JsonSchemaValue:
        written = super().dict_schema(schema)
        for pattern, values in written.pop("patternProperties", {}).items():
            written |= {"propertyNames": {"pattern": pattern}, "additionalProperties": values}
        return written

    def model_schema(self, schema: core_schema.ModelSchema) -> JsonSchemaValue:
        written = super().model_schema(schema)
        written.pop("title", None)
        return written

    def dataclass_schema(self, schema: core_schema.DataclassSchema) -> JsonSchemaValue:
        written = super().dataclass_schema(schema)
        written.pop("title", None)
        return written
